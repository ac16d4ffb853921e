"""Services and pods become EndpointSlices."""
