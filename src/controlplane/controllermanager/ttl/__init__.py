"""Nodes are told how long what they have read may be kept (upstream: pkg/controller/ttl)."""
