"""What policies read of pods and nodes, as values.

Pods on the host's network are neither subjects nor peers (they are the node), and a pod that is
over has no address any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kubeapi.objects import Object, key_of, labels_of, name_of, namespace_of

#: Of a Deployment's pods: no rule should mean it.
HASH_LABEL: Final = "pod-template-hash"
_FINISHED: Final = ("Succeeded", "Failed")
_NATIVE_SIDECAR: Final = "Always"
_NODE_IP_TYPES: Final = ("InternalIP", "ExternalIP")


@dataclass(frozen=True, slots=True)
class PodFacts:
    """A pod as policies see it."""

    key: str
    namespace: str
    node: str
    labels: Mapping[str, str]
    addresses: tuple[str, ...]
    #: Number by protocol and name of the containers' ports; the first of a name counts.
    ports: Mapping[tuple[str, str], int]

    @classmethod
    def of(cls, pod: Object) -> PodFacts | None:
        """Return None for a pod that has no address of its own (any more)."""
        spec, status = pod.get("spec") or {}, pod.get("status") or {}
        if spec.get("hostNetwork") or status.get("phase") in _FINISHED:
            return None
        return cls(
            key=key_of(pod),
            namespace=namespace_of(pod),
            node=spec.get("nodeName") or "",
            labels=labels_of(pod),
            addresses=tuple(each["ip"] for each in status.get("podIPs") or [] if each.get("ip")),
            ports=_named_ports(spec),
        )


def _named_ports(spec: Object) -> Mapping[tuple[str, str], int]:
    sidecars = [
        container
        for container in spec.get("initContainers") or []
        if container.get("restartPolicy") == _NATIVE_SIDECAR
    ]
    found: dict[tuple[str, str], int] = {}
    for container in [*(spec.get("containers") or []), *sidecars]:
        for port in container.get("ports") or []:
            if port.get("name"):
                name = port.get("protocol") or "TCP", port["name"]
                found.setdefault(name, port["containerPort"])
    return found


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node as a peer: its addresses, whoever answers there."""

    key: str
    labels: Mapping[str, str]
    addresses: tuple[str, ...]

    @classmethod
    def of(cls, node: Object) -> NodeFacts:
        listed = (node.get("status") or {}).get("addresses") or []
        found = {each["address"]: None for each in listed if each.get("type") in _NODE_IP_TYPES}
        return cls(name_of(node), labels_of(node), tuple(found))
