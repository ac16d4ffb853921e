"""What this node refuses to run, and how it says so (upstream: pkg/kubelet/lifecycle)."""

from __future__ import annotations

from kubeapi.objects import Object
from nodeagent.cni.host_network import is_host_network
from nodeagent.kubelet.sysctls import forbidden


def admit(pod: Object, host_ip: str) -> tuple[str, str] | None:
    """Return (reason, message) of a refusal by the node that has *host_ip*, or None."""
    if is_host_network(pod) and ":" in host_ip:
        return (
            "HostNetworkNotSupported",
            "hostNetwork needs a node whose first address is of IPv4",
        )
    return forbidden(pod)
