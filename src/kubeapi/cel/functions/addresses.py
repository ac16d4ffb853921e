"""`ip('10.0.0.1')` and `cidr('10.0.0.0/8')` (Kubernetes' IP and CIDR libraries)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Final

from kubeapi.cel.errors import EvaluationError, no_such_overload
from kubeapi.cel.functions.function import Function, Table, function, tenth
from kubeapi.cel.values import Opaque, Value

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
_BROADCAST: Final = ipaddress.IPv4Address("255.255.255.255")
_LOCAL_MULTICAST: Final = (
    ipaddress.ip_network("224.0.0.0/24"),
    ipaddress.ip_network("ff02::/16"),
)


class Ip(Opaque):
    __slots__ = ("address",)
    TYPE = "net.IP"

    def __init__(self, address: Address) -> None:
        self.address = address

    def identity(self) -> object:
        return self.address

    def __str__(self) -> str:
        return str(self.address)


class Cidr(Opaque):
    """A prefix with the address it was written with."""

    __slots__ = ("interface",)
    TYPE = "net.CIDR"

    def __init__(self, interface: Interface) -> None:
        self.interface = interface

    def identity(self) -> object:
        return self.interface

    def __str__(self) -> str:
        return str(self.interface)


def _parse_ip(text: str) -> Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise EvaluationError(
            f'IP Address "{text}" parse error during conversion from string:'
            f' ParseAddr("{text}"): unable to parse IP'
        ) from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            raise EvaluationError(f'IP address "{text}" with zone value is not allowed')
        if address.ipv4_mapped:
            raise EvaluationError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return address


def _parse_cidr(text: str) -> Interface:
    host, slash, length = text.partition("/")
    plain = length.isascii() and length.isdigit() and (length == "0" or length[0] != "0")
    if not slash or not plain:
        raise EvaluationError(
            "network address parse error during conversion from string:"
            f' netip.ParsePrefix("{text}"): no such prefix'
        )
    _parse_ip(host)
    try:
        return ipaddress.ip_interface(text)
    except ValueError:
        raise EvaluationError(
            "network address parse error during conversion from string:"
            f' netip.ParsePrefix("{text}"): prefix length out of range'
        ) from None


def _ip(value: Value) -> Ip:
    if isinstance(value, Cidr):
        return Ip(value.interface.ip)
    if not isinstance(value, str):
        raise no_such_overload()
    return Ip(_parse_ip(value))


def _cidr(value: Value) -> Cidr:
    if not isinstance(value, str):
        raise no_such_overload()
    return Cidr(_parse_cidr(value))


def _is(parse: Callable[[str], object]) -> Function:
    def call(value: Value) -> bool:
        if not isinstance(value, str):
            raise no_such_overload()
        try:
            parse(value)
        except EvaluationError:
            return False
        return True

    return function(call, "string -> bool", cost=tenth)


def _is_canonical(value: Value) -> bool:
    if not isinstance(value, str):
        raise no_such_overload()
    return str(_parse_ip(value)) == value


def _question(ask: Callable[[Address], bool | int], result: str) -> Function:
    def call(value: Value) -> bool | int:
        if not isinstance(value, Ip):
            raise no_such_overload()
        return ask(value.address)

    return function(call, f"{Ip.TYPE} -> {result}")


def _is_local_multicast(address: Address) -> bool:
    return any(address in network for network in _LOCAL_MULTICAST)


def _is_global_unicast(address: Address) -> bool:
    special = address.is_unspecified or address.is_loopback or address.is_multicast
    return not (special or address.is_link_local or address == _BROADCAST)


def _network(value: Value) -> Interface:
    if isinstance(value, str):
        return _parse_cidr(value)
    if not isinstance(value, Cidr):
        raise no_such_overload()
    return value.interface


def _contains_ip(value: Value, other: Value) -> bool:
    if not isinstance(value, Cidr):
        raise no_such_overload()
    address = other.address if isinstance(other, Ip) else _ip(other).address
    return address in value.interface.network


def _contains_cidr(value: Value, other: Value) -> bool:
    if not isinstance(value, Cidr):
        raise no_such_overload()
    outer, inner = value.interface.network, _network(other).network
    return (
        outer.version == inner.version
        and outer.prefixlen <= inner.prefixlen
        and inner.network_address in outer
    )


def _masked(value: Value) -> Cidr:
    network = _network(value).network
    return Cidr(ipaddress.ip_interface(str(network)))


def _prefix_length(value: Value) -> int:
    return int(_network(value).network.prefixlen)


_I, _C = Ip.TYPE, Cidr.TYPE
GLOBAL: Final[Table] = {
    "ip": function(_ip, f"string -> {_I}", cost=tenth),
    "isIP": _is(_parse_ip),
    "ip.isCanonical": function(_is_canonical, "string -> bool", cost=tenth),
    "cidr": function(_cidr, f"string -> {_C}", cost=tenth),
    "isCIDR": _is(_parse_cidr),
}
MEMBER: Final[Table] = {
    "family": _question(lambda address: address.version, "int"),
    "isUnspecified": _question(lambda address: address.is_unspecified, "bool"),
    "isLoopback": _question(lambda address: address.is_loopback, "bool"),
    "isLinkLocalMulticast": _question(_is_local_multicast, "bool"),
    "isLinkLocalUnicast": _question(lambda address: address.is_link_local, "bool"),
    "isGlobalUnicast": _question(_is_global_unicast, "bool"),
    "ip": function(_ip, f"{_C} -> {_I}"),
    "masked": function(_masked, f"{_C} -> {_C}"),
    "prefixLength": function(_prefix_length, f"{_C} -> int"),
    "containsIP": function(_contains_ip, f"{_C}, {_I} -> bool", f"{_C}, string -> bool"),
    "containsCIDR": function(_contains_cidr, f"{_C}, {_C} -> bool", f"{_C}, string -> bool"),
}
