"""Streams that outlast a request: exec, attach, port-forward, and proxies' upgrades."""
