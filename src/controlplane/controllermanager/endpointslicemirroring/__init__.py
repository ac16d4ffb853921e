"""Endpoints that people keep become EndpointSlices, too."""
