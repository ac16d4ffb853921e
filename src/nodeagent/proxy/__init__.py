"""kube-proxy: Services and EndpointSlices become the datapath's `frontend` table.

Upstream: pkg/proxy (change trackers, EndpointSliceCache, topology) and pkg/proxy/iptables. What
iptables rules do per packet the datapath does; what is decided here is which backends a frontend
has, what happens when it has none, and who is masqueraded.
"""
