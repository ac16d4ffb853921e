"""The physical network between hosts, for what is TCP: nodes, API servers and etcd.

Processes listen on a *near* address and are dialled at a *far* one, where the fabric listens for
them (contracts.md §10). It relays connections, balances over several API servers, and puts faults
on the link between two hosts by leading their connections through two TCP/IP stacks of our own and
a wire between them that loses, delays and corrupts packets. Decision 0008 says why it is a process.
"""
