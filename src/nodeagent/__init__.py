"""The control loops of a node: kubelet, network agent and kube-proxy, in one process.

Upstream: kubelet, flanneld and kube-proxy. The packets' way is `nodeagent.datapath`, a process of
its own that only executes the tables written here; containers are podruntime's.
"""
