"""Pods in the node's own network (hostNetwork): no CNI, but a link that is none of the bridge's.

What the datapath shall have follows from the pods that run on the node, as host ports do, so a
restarted agent wants the same again. The pod's stack has the node's InternalIP and sends everything
to a gateway that is nobody's, as Calico's pods do: the node is on the other end of the link.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from kubeapi.client import Informer
from kubeapi.objects import Object, annotations_of, uid_of
from nodeagent.tables import Tables

_TABLE: Final = "link"
_MIRROR: Final = "kubernetes.io/config.mirror"
_GATEWAY: Final = "169.254.1.1"
_FINISHED: Final = ("Succeeded", "Failed")
_SOCKET: Final = "hostports.sock"


def is_host_network(pod: Object) -> bool:
    """Tell whether *pod* asks for its node's network."""
    return bool((pod.get("spec") or {}).get("hostNetwork"))


class HostNetwork:
    """The links of this node's pods in its network."""

    def __init__(self, internal_ip: str, mtu: int, tables: Tables) -> None:
        self._address, self._mtu, self._tables = f"{internal_ip}/32", mtu, tables

    def follow(self, pods: Informer) -> None:
        """Hear of every change of *pods*."""
        pods.add_handler(
            on_add=self.pod_changed,
            on_update=lambda _old, new: self.pod_changed(new),
            on_delete=self.pod_gone,
        )

    def pod_changed(self, pod: Object) -> None:
        """Want the link of a pod that lives."""
        if not is_host_network(pod) or _MIRROR in annotations_of(pod):
            return  # A mirror is no pod: the static one that it shows has the link.
        if (pod.get("status") or {}).get("phase") in _FINISHED:
            self.pod_gone(pod)
            return
        link = self._link(pod)
        if self._tables.wanted(_TABLE).get((link["name"],)) != link:
            self._tables.replace(_TABLE, link)

    def pod_gone(self, pod: Object) -> None:
        """Want no link any more: what the pod had claimed is free again."""
        key = (_name(pod),)
        if is_host_network(pod) and key in self._tables.wanted(_TABLE):
            self._tables.delete(_TABLE, key)

    def network(self, pod: Object, directory: Path) -> Object:
        """Return CRI's `config.network` of *pod*; *directory* is the node's."""
        link = self._link(pod)
        return {
            "interface": link["name"],
            "mac": link["mac"],
            "mtu": link["mtu"],
            "address": link["address"],
            "gateway": _GATEWAY,
            "veth_socket": str(directory / "veth.sock"),
            "host_ports_socket": str(directory / _SOCKET),
        }

    def _link(self, pod: Object) -> Object:
        digest = hashlib.sha256(uid_of(pod).encode()).digest()
        return {
            "name": _name(pod),
            "kind": "host",
            "mac": ":".join(f"{octet:02x}" for octet in b"\x0a\x59" + digest[4:8]),
            "address": self._address,
            "address6": "",
            "mtu": self._mtu,
        }


def _name(pod: Object) -> str:
    return "host" + hashlib.sha256(uid_of(pod).encode()).hexdigest()[:8]
