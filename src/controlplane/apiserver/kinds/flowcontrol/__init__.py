"""FlowSchemas and priority levels (flowcontrol.apiserver.k8s.io/v1), as objects that clients read.

What requests are counted in is fixed (`apiserver.inflight`): the mandatory and suggested levels.
"""
