"""Hollow nodes: kubelets and kube-proxies of many nodes in one process, and nothing that runs.

Upstream: kubemark's hollow-node. The code is that of live nodes; below it the runtime, the
datapath and CNI are rows in memory (contracts.md §24). What they show is true of a control plane:
its load, its timers, its decisions. Nothing is true of packets, since there are none.
"""
