"""TCP (RFC 9293), cut by role; README.md has the state diagram and the map of the modules."""
