"""What this node refuses to run, and how it says so (upstream: pkg/kubelet/lifecycle)."""

from __future__ import annotations

from kubeapi.objects import Object
from nodeagent.kubelet.sysctls import forbidden


def admit(pod: Object) -> tuple[str, str] | None:
    """Return (reason, message) of a refusal, or None."""
    if pod["spec"].get("hostNetwork"):
        return (
            "HostNetworkNotSupported",
            "Pod was rejected: hostNetwork is not supported by this node; its network is emulated",
        )
    return forbidden(pod)
