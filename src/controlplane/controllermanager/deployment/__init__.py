"""Deployments become ReplicaSets, one per revision of the pod template."""
