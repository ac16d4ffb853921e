"""Deleted namespaces are emptied."""
