"""Signatures of cluster-info (upstream: pkg/controller/bootstrap/bootstrapsigner.go)."""
