"""Policies written as expressions (upstream: admission/plugin/policy/validating)."""
