"""flannel with its VXLAN backend, as kube-flannel runs it (`--kube-subnet-mgr`).

Nodes learn of each other from annotations of Node objects; a node's lease is its podCIDR. Per
remote node there are exactly one route (its podCIDR via its `.0`, on-link on flannel.1), one
permanent neighbour (`.0` has the remote VTEP's MAC) and one FDB entry (that MAC is behind the
remote public IP): nothing is learned, nothing is flooded. Upstream: flannel
pkg/backend/vxlan/vxlan_network.go. Deviations: the VXLAN port is IANA's 4789, flannel's default
being Linux' 8472, and the VTEP's MAC follows from the node's name instead of being random, so it
survives any restart. The underlay is IPv4 alone, so IPv6 of pods crosses the same tunnel, where
upstream has a second device (flannel-v6.1) between IPv6 addresses of nodes: a remote node then has
one route and one neighbour more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, NetmaskValueError, ip_network
from typing import Final

import msgspec

from componentbase.decoding import UNREADABLE
from kubeapi.objects import Object, annotations_of
from nodeagent.network.provider import Network, NodeIdentity, TableEntry

PREFIX: Final = "flannel.alpha.coreos.com/"
DEVICE: Final = "flannel.1"
VNI: Final = 1
PORT: Final = 4789
#: Outer IPv4 (20), UDP (8), VXLAN (8) and inner Ethernet (14).
ENCAPSULATION_OCTETS: Final = 50
#: Not flannel's: says that this node's VTEP takes TCP without checksums from others of ours.
OFFLOAD: Final = "podwire.io/vxlan-offload"


class _BackendData(msgspec.Struct, frozen=True, rename={"vni": "VNI", "vtep_mac": "VtepMAC"}):
    vni: int
    vtep_mac: str


def vtep_mac(node_name: str) -> str:
    """Return the MAC of a node's VTEP: unicast, locally administered, a function of its name."""
    octets = bytearray(hashlib.sha256(f"{DEVICE} {node_name}".encode()).digest()[:6])
    octets[0] = octets[0] & 0xFE | 0x02
    return ":".join(f"{octet:02x}" for octet in octets)


class Flannel:
    """The provider named `flannel`."""

    def __init__(self, node: NodeIdentity) -> None:
        self._node = node
        self.mtu = node.mtu - ENCAPSULATION_OCTETS
        self._mac = vtep_mac(node.name)

    def annotations(self) -> dict[str, str]:
        """Publish what other nodes need to reach this one."""
        data = msgspec.json.encode(_BackendData(VNI, self._mac)).decode()
        return {
            f"{PREFIX}backend-type": "vxlan",
            f"{PREFIX}backend-data": data,
            f"{PREFIX}public-ip": self._node.internal_ip,
            f"{PREFIX}kube-subnet-manager": "true",
            OFFLOAD: "true",
        }

    def own_entries(self, pod_cidrs: Sequence[Network]) -> list[TableEntry]:
        """Return the VTEP and the addresses of this node."""
        node = self._node
        vtep: Object = {
            "name": DEVICE,
            "vni": VNI,
            "mac": self._mac,
            "local": node.internal_ip,
            "port": PORT,
            "mtu": self.mtu,
        }
        addresses = [(address, "eth0") for address in node.eth0]
        for cidr in pod_cidrs:
            addresses += [
                (f"{cidr[1]}/{cidr.prefixlen}", "cni0"),
                (f"{cidr[0]}/{cidr.max_prefixlen}", DEVICE),
            ]
        return [
            ("vtep", vtep),
            *(("address", {"address": text, "device": device}) for text, device in addresses),
        ]

    def cni_config(self, pod_cidrs: Sequence[Network]) -> Object:
        """Return the network of this node's pods: a bridge, and the podCIDRs as ranges.

        kube-flannel writes `10-flannel.conflist` and its plugin `flannel` delegates to `bridge`
        and `host-local`; there is nothing that it would have to find out here.
        """
        ipam: Object = {
            "type": "podwire-ipam",
            "ranges": [[{"subnet": str(cidr)}] for cidr in pod_cidrs],
        }
        bridge: Object = {
            "type": "podwire-bridge",
            "mtu": self.mtu,
            "ipam": ipam,
            "capabilities": {"ips": True},
        }
        return {"cniVersion": "1.1.0", "name": "flannel", "plugins": [bridge]}

    def remote_entries(self, node: Object) -> list[TableEntry]:
        """Return the FDB entry, and of each family the neighbour and the route, of a node."""
        lease = _lease_of(node)
        if lease is None:
            return []
        offload = annotations_of(node).get(OFFLOAD) == "true"
        entries: list[TableEntry] = [
            ("fdb", {"mac": lease.mac, "device": DEVICE, "remote": lease.public_ip,
                     "offload": offload})
        ]  # fmt: skip
        for subnet in lease.subnets:
            via = str(subnet[0])
            entries += [
                ("neighbour", {"address": via, "device": DEVICE, "mac": lease.mac,
                               "state": "PERMANENT"}),
                ("route", {"destination": str(subnet), "device": DEVICE, "via": via,
                           "onlink": True}),
            ]  # fmt: skip
        return entries


@dataclass(frozen=True, slots=True)
class _Lease:
    """What a remote node has said of itself."""

    subnets: tuple[Network, ...]
    public_ip: str
    mac: str


def _lease_of(node: Object) -> _Lease | None:
    """Return the lease of *node*, or None while it is no VXLAN peer of ours.

    Annotations are whatever someone wrote there: what does not parse is no lease.
    """
    annotations = annotations_of(node)
    if annotations.get(f"{PREFIX}backend-type") != "vxlan":
        return None
    spec = node.get("spec", {})
    try:
        subnets = tuple(map(ip_network, spec.get("podCIDRs") or [spec.get("podCIDR", "")]))
        public_ip = IPv4Address(annotations.get(f"{PREFIX}public-ip", ""))
        text = annotations.get(f"{PREFIX}backend-data", "")
        data = msgspec.json.decode(text, type=_BackendData)
        octets = bytes.fromhex(data.vtep_mac.replace(":", ""))
    except (*UNREADABLE, AddressValueError, NetmaskValueError, ValueError):
        return None
    if data.vni != VNI or len(octets) != 6:
        return None
    return _Lease(subnets, str(public_ip), ":".join(f"{octet:02x}" for octet in octets))
