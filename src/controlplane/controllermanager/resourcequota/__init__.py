"""Counts what is used of ResourceQuotas (upstream: pkg/controller/resourcequota)."""
