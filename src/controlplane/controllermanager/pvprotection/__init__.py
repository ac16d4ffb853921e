"""Volumes stay while claims hold them."""
