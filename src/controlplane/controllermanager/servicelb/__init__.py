"""Addresses for Services of type LoadBalancer."""
