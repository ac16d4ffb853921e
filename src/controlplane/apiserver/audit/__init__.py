"""Who did what, and when: the audit log (upstream: apiserver/pkg/audit). Off by default."""
