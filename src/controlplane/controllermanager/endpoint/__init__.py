"""Services and pods become Endpoints, the older form of EndpointSlices."""
