"""Certificates for approved requests (upstream: pkg/controller/certificates/signer)."""
