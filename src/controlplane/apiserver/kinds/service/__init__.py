"""Services: defaulting, validation, strategy and printer (upstream: pkg/registry/core/service)."""
