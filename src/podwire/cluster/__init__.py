"""A cluster on this machine, at rest: its directory, certificates, addresses, configurations."""
