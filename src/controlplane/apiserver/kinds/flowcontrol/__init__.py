"""FlowSchemas and priority levels (flowcontrol.apiserver.k8s.io/v1), as objects.

What follows from them is `apiserver.flowcontrol`'s.
"""
