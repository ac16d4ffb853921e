"""The bridge plugin: a pod's link on `cni0`, its MAC, address and gateway.

Name, MAC and addresses of a link follow from the pod's uid and its IPAM files alone, so a restarted
agent writes the same entries again and a restarted datapath gets them back. MACs are
`0a:58` + the IPv4 address, as the CNI bridge plugin and OVN derive them, or, as OVN does where
there is none, the head of a hash of the IPv6 address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from kubeapi.objects import Object
from nodeagent.cni.ipam import Address, HostLocal
from nodeagent.tables import Tables

Interface = IPv4Interface | IPv6Interface


class CniError(Exception):
    """A CNI verb failed; the text is what the pod's event shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """CNI's result: what the sandbox needs to know of its interface, one address of a family."""

    interface: str
    mac: str
    addresses: tuple[Interface, ...]
    gateways: tuple[Address, ...]
    mtu: int

    def link(self) -> Object:
        """Return the entry of the datapath's `link` table."""
        return {
            "name": self.interface,
            "kind": "veth",
            "mac": self.mac,
            **_by_family("address", self.addresses),
            "mtu": self.mtu,
        }

    def network(self, veth_socket: str) -> Object:
        """Return CRI's `config.network`."""
        return {
            "interface": self.interface,
            "mac": self.mac,
            **_by_family("address", self.addresses),
            **_by_family("gateway", self.gateways),
            "mtu": self.mtu,
            "veth_socket": veth_socket,
        }


def _by_family(name: str, values: Iterable[Interface | Address]) -> dict[str, str]:
    """Return the fields *name* for IPv4, which is always there, and *name*6 where there is one."""
    fields = {name: ""}
    for value in values:
        fields[name if value.version == 4 else f"{name}6"] = str(value)
    return fields


def interface_name(pod_uid: str) -> str:
    """Return the name of the pod's interface on its node, at most 15 octets as Linux has it."""
    return "veth" + hashlib.sha256(pod_uid.encode()).hexdigest()[:8]


def mac_of(address: Address) -> str:
    """Return the locally administered MAC that belongs to *address*."""
    packed = address.packed
    tail = packed if address.version == 4 else hashlib.sha256(packed).digest()[:4]
    return ":".join(f"{octet:02x}" for octet in b"\x0a\x58" + tail)


class Bridge:
    """The verbs of CNI for this node's one network."""

    def __init__(self, ipams: Sequence[HostLocal], tables: Tables, *, mtu: int) -> None:
        """*ipams* are those of the node's ranges, the cluster's first family foremost."""
        self._ipams, self._tables, self._mtu = tuple(ipams), tables, mtu
        for uid in self._owners():
            tables.replace("link", self._attachment(uid).link())

    def _owners(self) -> list[str]:
        return list(dict.fromkeys(uid for ipam in self._ipams for uid in ipam.owners))

    def _attachment(self, uid: str) -> Attachment:
        held = [ipam for ipam in self._ipams if uid in ipam.owners]
        first = min((ipam.owners[uid] for ipam in held), key=lambda address: address.version)
        return Attachment(
            interface=interface_name(uid),
            mac=mac_of(first),
            addresses=tuple(
                ip_interface((ipam.owners[uid], ipam.subnet.prefixlen)) for ipam in held
            ),
            gateways=tuple(ipam.gateway for ipam in held),
            mtu=self._mtu,
        )

    def add(self, uid: str) -> Attachment:
        """ADD: give the pod addresses and a link; the same ones when it has them already."""
        allocated = False
        try:
            for ipam in self._ipams:
                ipam.allocate(uid)
            allocated = True
        finally:
            if not allocated:
                self.delete(uid)
        attachment = self._attachment(uid)
        self._tables.replace("link", attachment.link())
        return attachment

    def delete(self, uid: str) -> None:
        """DEL: take link and addresses away; nothing happens when there are none."""
        self._tables.delete("link", (interface_name(uid),))
        for ipam in self._ipams:
            ipam.release(uid)

    def check(self, uid: str) -> None:
        """CHECK: raise CniError unless the pod has its addresses and its link."""
        if not all(uid in ipam.owners for ipam in self._ipams):
            raise CniError(f"host-local: no address allocated for pod {uid}")
        if (interface_name(uid),) not in self._tables.wanted("link"):
            raise CniError(f"bridge: interface {interface_name(uid)} is missing")

    def adopt(self, addresses: Mapping[str, Iterable[Address]]) -> None:
        """Take over running pods whose IPAM files were lost: they keep the addresses they use."""
        for uid, used in addresses.items():
            reserved = [
                ipam.reserve(uid, address)
                for address in used
                for ipam in self._ipams
                if ipam.subnet.version == address.version
            ]
            if any(reserved):
                self._tables.replace("link", self._attachment(uid).link())

    def collect(self, live: Iterable[str]) -> list[str]:
        """GC: take away what belongs to no pod in *live*, then own the whole link table."""
        living = list(live)
        leaked = list(dict.fromkeys(uid for ipam in self._ipams for uid in ipam.collect(living)))
        for uid in leaked:
            self._tables.delete("link", (interface_name(uid),))
        self._tables.claim("link")
        return leaked
