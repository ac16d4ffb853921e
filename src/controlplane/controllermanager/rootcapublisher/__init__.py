"""Publishes the cluster's authority in every namespace."""
