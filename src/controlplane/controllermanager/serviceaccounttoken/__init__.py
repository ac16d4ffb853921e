"""Secrets that hold an account's token (upstream: the tokens controller)."""
