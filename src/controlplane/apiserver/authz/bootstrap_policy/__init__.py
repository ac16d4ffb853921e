"""The roles and bindings that every cluster has (upstream: rbac/bootstrappolicy)."""
