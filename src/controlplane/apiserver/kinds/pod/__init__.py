"""Pods: defaulting, validation, strategy and printer (upstream: pkg/registry/core/pod)."""
