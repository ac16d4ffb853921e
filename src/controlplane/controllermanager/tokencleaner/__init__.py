"""Bootstrap tokens that have expired (upstream: pkg/controller/bootstrap/tokencleaner.go)."""
