"""Objects whose owners are gone are deleted."""
