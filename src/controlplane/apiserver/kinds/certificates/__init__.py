"""CertificateSigningRequests (certificates.k8s.io/v1): validation and strategy.

Upstream: pkg/apis/certificates/validation, pkg/registry/certificates.
"""
