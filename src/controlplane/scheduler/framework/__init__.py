"""How plugins speak for and against a node, and which there are (upstream: framework)."""
