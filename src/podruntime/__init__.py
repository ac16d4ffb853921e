"""The node's container runtime (upstream: containerd) and the pods that it starts.

`__main__` and `runtime` are the daemon that the kubelet speaks CRI to; `sandbox` is what runs
inside a pod's process; `images` is what the containers run.
"""
