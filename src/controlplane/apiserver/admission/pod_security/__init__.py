"""What pods of a namespace may ask of their node (upstream: pod-security-admission)."""
