"""How a pod gets its interface: the CNI verbs ADD, DEL, CHECK, GC and host-local IPAM.

Upstream: containernetworking/plugins `bridge` and `host-local`. There is no exec and no JSON
configuration: the plugin is a Python object, the link itself is an entry of the datapath's
`link` table, and the pod process connects to it.
"""
