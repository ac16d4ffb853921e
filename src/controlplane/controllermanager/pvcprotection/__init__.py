"""Claims stay while pods use them."""
