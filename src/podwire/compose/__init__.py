"""A cluster of containers: what compose.yaml runs inside them.

`setup` makes keys and configurations once, into one volume a host; `node` is the first process
of a node's container; `health` is what the engine asks now and then. Everything else in the
containers is the processes that `podwire up` runs, told container addresses.
"""
