"""Roles and who has them (rbac.authorization.k8s.io/v1): what they may say and how they print.

Upstream: pkg/apis/rbac/validation. What they allow, the authorizer says.
"""
