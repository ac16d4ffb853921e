"""The node's "kernel": pod ports, bridge, routes, neighbours, FDB, VTEP, conntrack, NAT.

A process of its own that makes no decision about Kubernetes: it executes tables that the
nodeagent fills over "netlink", so traffic goes on when the nodeagent is killed. Read `node.py`
(the life of a packet), `hooks.py` (the order of what happens to it), `fast_path.py` (why most
packets see none of that), then the shell, `run.py`.
"""
