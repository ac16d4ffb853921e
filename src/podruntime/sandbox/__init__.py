"""What runs inside a pod's process: its network stack, event loop and containers.

The default sandbox of the design: the containers of a pod are tasks of one process and share
address, port space, loopback and event loop.
"""
