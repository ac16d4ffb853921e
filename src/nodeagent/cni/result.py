"""Results of ADD (SPEC.md §5), and what of them the node and the sandbox need.

A pod has one interface here: what the result says of the one in CNI_NETNS. Routes and DNS are
passed on in the result and otherwise not used: a pod's stack has its subnet and one gateway of a
family, and the kubelet writes resolv.conf.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address
from ipaddress import ip_interface as parse_interface
from typing import Final

import msgspec

from kubeapi.objects import Object
from nodeagent.cni import version
from nodeagent.cni.errors import CniError, Code

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface

_MAC_OCTETS: Final = 6


class _Interface(msgspec.Struct, frozen=True):
    name: str
    mac: str = ""
    mtu: int = 0
    sandbox: str = ""


class _Ip(msgspec.Struct, frozen=True):
    address: str
    gateway: str = ""
    interface: int | None = None


class _Result(msgspec.Struct, frozen=True, rename="camel"):
    cni_version: str = ""
    interfaces: list[_Interface] = []
    ips: list[_Ip] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What the node and the sandbox need to know of a pod's interface."""

    interface: str  # Of the link; the pod calls it as CNI_IFNAME says.
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


def interface_name(container_id: str) -> str:
    """Return the name of the pod's interface on its node, at most 15 octets as Linux has it."""
    return "veth" + hashlib.sha256(container_id.encode()).hexdigest()[:8]


def mac_of(address: Address) -> str:
    """Return the locally administered MAC that belongs to *address*.

    `0a:58` + the IPv4 address, as the CNI bridge plugin and OVN derive them, or, as OVN does where
    there is none, the head of a hash of the IPv6 address.
    """
    packed = address.packed
    tail = packed if address.version == 4 else hashlib.sha256(packed).digest()[:4]
    return ":".join(f"{octet:02x}" for octet in b"\x0a\x58" + tail)


def canonical_mac(text: str) -> str:
    """Return *text* as the datapath writes MACs; raises CniError."""
    try:
        octets = bytes.fromhex(text.replace(":", "").replace("-", ""))
    except ValueError:
        octets = b""
    if len(octets) != _MAC_OCTETS or octets[0] & 1:
        raise CniError(Code.INVALID_NETWORK_CONFIG, f"invalid MAC address {text!r}")
    return octets.hex(":")


def verify(result: Object, spoken: str) -> None:
    """Refuse what is no result of the version *spoken*; raises CniError."""
    read = _read(result)
    if read.cni_version not in ("", *version.SUPPORTED):
        text = f"unsupported CNI result version {read.cni_version!r}, config is {spoken!r}"
        raise CniError(Code.INCOMPATIBLE_VERSION, text)
    for ip in read.ips:
        _address(ip)


def _read(result: Object) -> _Result:
    try:
        return msgspec.convert(result, _Result)
    except msgspec.ValidationError as error:
        raise CniError(Code.DECODING_FAILURE, f"invalid result: {error}") from None


def _address(ip: _Ip) -> tuple[Interface, Address | None]:
    try:
        gateway = ip_address(ip.gateway) if ip.gateway else None
        return parse_interface(ip.address), gateway
    except ValueError as error:
        raise CniError(Code.DECODING_FAILURE, f"invalid result: {error}") from None


def addresses_of(result: Object) -> list[tuple[Interface, Address | None]]:
    """Return the addresses and gateways of a result of IPAM; raises CniError."""
    return [_address(ip) for ip in _read(result).ips]


def attachment_of(result: Object, container_id: str, netns: str, mtu: int) -> Attachment:
    """Return what *result* says of the interface in *netns*; raises CniError.

    *mtu* holds where the result has none (before 1.1.0 it cannot).
    """
    read = _read(result)
    inside = [n for n, each in enumerate(read.interfaces) if each.sandbox == netns]
    if len(inside) != 1:
        text = f"the result has {len(inside)} interfaces in {netns}; a pod has one"
        raise CniError(Code.INVALID_NETWORK_CONFIG, text)
    interface = read.interfaces[inside[0]]
    found = [_address(ip) for ip in read.ips if ip.interface in (None, inside[0])]
    by_family = {address.version: (address, gateway) for address, gateway in found}
    if not found or len(by_family) != len(found):
        text = f"the result gives {netns} {len(found)} addresses; a pod has one of a family"
        raise CniError(Code.INVALID_NETWORK_CONFIG, text)
    first = by_family[min(by_family)][0]
    return Attachment(
        interface=interface_name(container_id),
        mac=canonical_mac(interface.mac) if interface.mac else mac_of(first.ip),
        addresses=tuple(address for address, _ in found),
        gateways=tuple(gateway for _, gateway in found if gateway is not None),
        mtu=interface.mtu or mtu,
    )


def outside_of(result: Object, netns: str) -> list[str]:
    """Return the names of the interfaces that *result* has on the node; raises CniError."""
    return [each.name for each in _read(result).interfaces if each.sandbox != netns]


def ip_entry(address: Interface, gateway: Address | None, spoken: str) -> Object:
    """Return one of a result's `ips` as the version *spoken* has it."""
    entry: Object = {"address": str(address)}
    if gateway is not None:
        entry["gateway"] = str(gateway)
    if version.parse(spoken) < version.FIRST_WITHOUT_FAMILY:
        entry["version"] = str(address.version)
    return entry


def members(result: Object, names: Iterable[str]) -> Mapping[str, object]:
    """Return those of *names* that *result* has."""
    return {name: result[name] for name in names if name in result}
