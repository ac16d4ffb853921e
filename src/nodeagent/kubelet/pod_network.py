"""What the kubelet asks of CNI for a pod: its name, and capability arguments.

Upstream: containerd's pkg/cri sandbox_run.go (cniNamespaceOpts, toCNIPortMappings) and
pkg/kubelet/util bandwidth. A plugin of the network is told a capability when it declares it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubeapi.objects import Object, annotations_of, name_of, namespace_of, uid_of
from kubeapi.quantity import QuantityError, value
from nodeagent.cni.chain import Wanted
from nodeagent.cni.errors import CniError, Code

_BANDWIDTH: Final = "kubernetes.io/{}-bandwidth"
_RATE_MIN: Final = 1_000
_RATE_MAX: Final = 10**15
#: Upstream does not limit bursts; the plugin `bandwidth` wants 32 bits.
_BURST: Final = 2**31 - 1


def wanted_attachment(pod: Object) -> Wanted:
    """Return the attachment that *pod* needs; raises CniError."""
    capabilities: dict[str, object] = {}
    mappings = list(_port_mappings(pod))
    if mappings:
        capabilities["portMappings"] = mappings
    bandwidth = _bandwidth(pod)
    if bandwidth:
        capabilities["bandwidth"] = bandwidth
    return Wanted(
        container_id=uid_of(pod),
        namespace=namespace_of(pod),
        name=name_of(pod),
        capabilities=capabilities,
    )


def _port_mappings(pod: Object) -> Iterator[Object]:
    """Yield what the plugin `portmap` wants to know of the pod's hostPorts."""
    spec = pod["spec"]
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield {
                    "hostPort": port["hostPort"],
                    "containerPort": port["containerPort"],
                    "protocol": (port.get("protocol") or "TCP").lower(),
                    "hostIP": port.get("hostIP") or "",
                }


def _bandwidth(pod: Object) -> Object:
    """Return what the plugin `bandwidth` wants to know: bits per second, and bits at once."""
    found: Object = {}
    for direction in ("ingress", "egress"):
        text = annotations_of(pod).get(_BANDWIDTH.format(direction))
        if text is None:
            continue
        try:
            rate = value(text)
        except QuantityError as error:
            raise _bad_bandwidth(str(error)) from None
        if not _RATE_MIN <= rate <= _RATE_MAX:
            size = "small" if rate < _RATE_MIN else "large"
            least_or_most = "< 1kbit/s" if rate < _RATE_MIN else "> 1Pbit/s"
            raise _bad_bandwidth(f"resource {text} is unreasonably {size} ({least_or_most})")
        found |= {f"{direction}Rate": rate, f"{direction}Burst": _BURST}
    return found


def _bad_bandwidth(why: str) -> CniError:
    text = f"failed to get network bandwidth info from annotations: {why}"
    return CniError(Code.INVALID_NETWORK_CONFIG, text)
