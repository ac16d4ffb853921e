"""Host ports of pods (upstream: the CNI plugin portmap, DNAT rules CNI-HOSTPORT-DNAT).

What comes for such a port of an address of this node goes to the pod. Upstream's plugin is told at
ADD and DEL; here the entries follow from the pods that run on the node, so a restarted agent writes
the same ones again. The scheduler sees to it that no two pods want one port; where somebody bound
pods past it, the first one has the port until it is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from kubeapi.client import Informer
from kubeapi.objects import Object, key_of, uid_of
from nodeagent.tables import Key, Tables
from nodeagent.tables import key_of as table_key_of

TABLE = "host_port"
_FINISHED = ("Succeeded", "Failed")
_CARRIED = ("TCP", "UDP")
#: Any address of the node, by the version of the pod's address.
_ANY = {4: "", 6: "::"}


def entries(pod: Object) -> Iterator[Object]:
    """Return the rows of *pod*: none before it has an address, none after its end."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if spec.get("hostNetwork") or status.get("phase") in _FINISHED:
        return
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    ports = [
        port for each in containers for port in each.get("ports") or () if port.get("hostPort")
    ]
    for item in status.get("podIPs") or () if ports else ():
        target = ip_address(item["ip"])
        for port in ports:
            address = _address(port.get("hostIP") or "", target.version)
            protocol = port.get("protocol") or "TCP"
            if address is not None and protocol in _CARRIED:
                yield {
                    "address": address,
                    "port": int(port["hostPort"]),
                    "protocol": protocol,
                    "pod": key_of(pod),
                    "target": str(target),
                    "target_port": int(port["containerPort"]),
                }


def _address(host_ip: str, version: int) -> str | None:
    """Return the address of a row; None when a pod's address of *version* is not meant."""
    if not host_ip:
        return _ANY[version]
    asked = ip_address(host_ip)
    if asked.version != version:
        return None
    return _ANY[version] if asked.is_unspecified else str(asked)


class Portmap:
    """Keeps the table by what an informer tells of this node's pods."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._rows: dict[str, dict[Key, Object]] = {}  # By the pod's uid.
        self._claims: dict[Key, dict[str, Object]] = {}

    def follow(self, pods: Informer) -> None:
        """Hear of every change of *pods*."""
        pods.add_handler(
            on_add=self.pod_changed, on_update=self._pod_updated, on_delete=self.pod_gone
        )

    def all_known(self) -> None:
        """Every pod of this node has been told once: other rows may go."""
        self._tables.claim(TABLE)

    def _pod_updated(self, old: Object, new: Object) -> None:
        if uid_of(old) != uid_of(new):
            self.pod_gone(old)
        self.pod_changed(new)

    def pod_gone(self, pod: Object) -> None:
        """Note that a pod is no more."""
        self._set(uid_of(pod), {})

    def pod_changed(self, pod: Object) -> None:
        """Note a pod as it is now."""
        self._set(uid_of(pod), {table_key_of(TABLE, row): row for row in entries(pod)})

    def _set(self, uid: str, rows: dict[Key, Object]) -> None:
        old = self._rows.pop(uid, {})
        if old == rows:
            if rows:
                self._rows[uid] = rows
            return
        if rows:
            self._rows[uid] = rows
        for key in old:
            if key not in rows:
                del self._claims[key][uid]
                self._write_first(key)
        for key, row in rows.items():
            self._claims.setdefault(key, {})[uid] = row
            self._write_first(key)

    def _write_first(self, key: Key) -> None:
        claims = self._claims[key]
        if not claims:
            del self._claims[key]
            self._tables.delete(TABLE, key)
            return
        row = next(iter(claims.values()))
        if self._tables.wanted(TABLE).get(key) != row:
            self._tables.replace(TABLE, row)
