"""The command line and the local cluster: what a person types, and what it starts.

`cluster/` knows how a cluster lies on disk and what its processes are told; `launcher/` is
their init; `cli/` holds the commands; `demo/` the failover that `make demo` shows.
"""
