"""Volumes that are directories of a node."""
