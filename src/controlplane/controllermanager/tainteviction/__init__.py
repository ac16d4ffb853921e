"""Pods leave tainted nodes when their tolerations run out."""
