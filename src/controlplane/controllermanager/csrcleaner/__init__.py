"""Requests that nobody needs any more (upstream: pkg/controller/certificates/cleaner)."""
