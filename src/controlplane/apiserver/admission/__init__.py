"""What is asked of a write besides the object itself (upstream: admission plugins)."""
