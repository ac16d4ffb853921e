"""The bridge plugin: a pod's link on `cni0`, its MAC, address and gateway.

Name, MAC and address of a link follow from the pod's uid and its IPAM file alone, so a restarted
agent writes the same entries again and a restarted datapath gets them back. MACs are
`0a:58` + the IPv4 address, as the CNI bridge plugin and OVN derive them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from kubeapi.objects import Object
from nodeagent.cni.ipam import HostLocal
from nodeagent.tables import Tables


class CniError(Exception):
    """A CNI verb failed; the text is what the pod's event shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """CNI's result: what the sandbox needs to know of its interface."""

    interface: str
    mac: str
    address: IPv4Interface
    gateway: IPv4Address
    mtu: int

    def link(self) -> Object:
        """Return the entry of the datapath's `link` table."""
        return {
            "name": self.interface,
            "kind": "veth",
            "mac": self.mac,
            "address": str(self.address),
            "mtu": self.mtu,
        }

    def network(self, veth_socket: str) -> Object:
        """Return CRI's `config.network`."""
        return {
            "interface": self.interface,
            "mac": self.mac,
            "address": str(self.address),
            "gateway": str(self.gateway),
            "mtu": self.mtu,
            "veth_socket": veth_socket,
        }


def interface_name(pod_uid: str) -> str:
    """Return the name of the pod's interface on its node, at most 15 octets as Linux has it."""
    return "veth" + hashlib.sha256(pod_uid.encode()).hexdigest()[:8]


def mac_of(address: IPv4Address) -> str:
    """Return the locally administered MAC that belongs to *address*."""
    return ":".join(f"{octet:02x}" for octet in b"\x0a\x58" + address.packed)


class Bridge:
    """The verbs of CNI for this node's one network."""

    def __init__(self, ipam: HostLocal, tables: Tables, *, mtu: int) -> None:
        self._ipam, self._tables, self._mtu = ipam, tables, mtu
        for uid in ipam.owners:
            tables.replace("link", self._attachment(uid).link())

    def _attachment(self, uid: str) -> Attachment:
        address = self._ipam.owners[uid]
        return Attachment(
            interface=interface_name(uid),
            mac=mac_of(address),
            address=IPv4Interface((address, self._ipam.subnet.prefixlen)),
            gateway=self._ipam.gateway,
            mtu=self._mtu,
        )

    def add(self, uid: str) -> Attachment:
        """ADD: give the pod an address and a link; the same ones when it has them already."""
        self._ipam.allocate(uid)
        attachment = self._attachment(uid)
        self._tables.replace("link", attachment.link())
        return attachment

    def delete(self, uid: str) -> None:
        """DEL: take link and address away; nothing happens when there are none."""
        self._tables.delete("link", (interface_name(uid),))
        self._ipam.release(uid)

    def check(self, uid: str) -> None:
        """CHECK: raise CniError unless the pod has its address and its link."""
        if uid not in self._ipam.owners:
            raise CniError(f"host-local: no address allocated for pod {uid}")
        if (interface_name(uid),) not in self._tables.wanted("link"):
            raise CniError(f"bridge: interface {interface_name(uid)} is missing")

    def adopt(self, addresses: Mapping[str, IPv4Address]) -> None:
        """Take over running pods whose IPAM file was lost: they keep the address they use."""
        for uid, address in addresses.items():
            if self._ipam.reserve(uid, address):
                self._tables.replace("link", self._attachment(uid).link())

    def collect(self, live: Iterable[str]) -> list[str]:
        """GC: take away what belongs to no pod in *live*, then own the whole link table."""
        leaked = self._ipam.collect(live)
        for uid in leaked:
            self._tables.delete("link", (interface_name(uid),))
        self._tables.claim("link")
        return leaked
