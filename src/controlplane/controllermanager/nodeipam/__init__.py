"""Nodes get their part of the cluster's pod addresses."""
