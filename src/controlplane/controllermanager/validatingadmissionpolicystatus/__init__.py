"""Whether a policy's expressions fit the kinds that it matches, told in its status."""
