"""Requests that are approved without a person (upstream: pkg/controller/certificates/approver)."""
