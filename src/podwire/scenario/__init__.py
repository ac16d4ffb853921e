"""Scenarios: a file says what is done to a cluster and what must hold; a run judges it."""
