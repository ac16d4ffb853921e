"""The IPv6 addresses of a host: which are local, which groups they imply, which source suits whom.

Sixteen octets here, as in packets. `::1` is always local. An address is *tentative* while it is
being probed for (RFC 4862 §5.4): it receives nothing but neighbour discovery and is no source.
Source addresses are chosen by RFC 6724 §5. Addresses are static and have no lifetimes, there is one
interface, and nothing moves, so rules 3 (deprecated), 4 (home), 5 (interface) and 7 (temporary)
never decide.
"""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Interface, IPv6Network
from typing import Final

from netstack.addresses import Sources

ANY: Final = bytes(16)
LOOPBACK: Final = bytes(15) + b"\x01"
ALL_NODES: Final = IPv6Address("ff02::1").packed
_SOLICITED_NODE: Final = IPv6Address("ff02::1:ff00:0").packed[:13]
_LINK_LOCAL_NETWORK: Final = IPv6Network("fe80::/64")
MAPPED: Final = bytes(10) + b"\xff\xff"

_LINK_LOCAL_SCOPE, _SITE_LOCAL_SCOPE, _GLOBAL_SCOPE = 2, 5, 14

#: Labels of the default policy table (RFC 6724 §2.1), the longest prefixes first.
_LABELS: Final = tuple(
    (IPv6Network(prefix), label)
    for prefix, label in (
        ("::1/128", 0),
        ("::ffff:0:0/96", 4),
        ("::/96", 3),
        ("2001::/32", 5),
        ("2002::/16", 2),
        ("3ffe::/16", 12),
        ("fec0::/10", 11),
        ("fc00::/7", 13),
        ("::/0", 1),
    )
)


def is_multicast(address: bytes) -> bool:
    return address[0] == 0xFF


def is_link_local(address: bytes) -> bool:
    return address[0] == 0xFE and address[1] & 0xC0 == 0x80


def solicited_node(address: bytes) -> bytes:
    """Return the group of those whose addresses end like *address* (RFC 4291 §2.7.1)."""
    return _SOLICITED_NODE + address[13:]


def group_mac(group: bytes) -> bytes:
    """Return the MAC that frames to *group* have (RFC 2464 §7)."""
    return b"\x33\x33" + group[12:]


def link_local(mac: bytes) -> IPv6Interface:
    """Return the address that follows from *mac* (RFC 4291, appendix A: modified EUI-64)."""
    identifier = bytes((mac[0] ^ 2,)) + mac[1:3] + b"\xff\xfe" + mac[3:]
    return IPv6Interface((_LINK_LOCAL_NETWORK[int.from_bytes(identifier, "big")], 64))


class Ip6AddressTable:
    """Local addresses, the primary first."""

    def __init__(self, primary: IPv6Interface | None) -> None:
        self._interfaces: dict[bytes, IPv6Interface] = {}
        self._tentative: dict[bytes, IPv6Interface] = {}
        self._groups: dict[bytes, None] = {}
        self._sources = Sources()
        if primary is not None:
            self.add(primary)

    def __bool__(self) -> bool:
        return bool(self._interfaces or self._tentative)

    @property
    def interfaces(self) -> list[IPv6Interface]:
        return list(self._interfaces.values())

    @property
    def tentative(self) -> list[IPv6Interface]:
        return list(self._tentative.values())

    @property
    def primary(self) -> IPv6Interface:
        assert self, "there is no address of this family"
        return next(iter((self._interfaces or self._tentative).values()))

    @property
    def groups(self) -> list[bytes]:
        """Every multicast address that reaches us."""
        return list(self._groups)

    def add(self, interface: IPv6Interface) -> None:
        self._tentative.pop(interface.ip.packed, None)
        self._interfaces[interface.ip.packed] = interface
        self._index_groups()

    def add_tentative(self, interface: IPv6Interface) -> None:
        """Take an address that may yet turn out to be somebody else's."""
        self._interfaces.pop(interface.ip.packed, None)
        self._tentative[interface.ip.packed] = interface
        self._index_groups()

    def remove(self, address: IPv6Address) -> None:
        self._interfaces.pop(address.packed, None)
        self._tentative.pop(address.packed, None)
        self._index_groups()

    def is_local(self, address: bytes) -> bool:
        return address in self._interfaces or address == LOOPBACK

    def is_own(self, address: bytes) -> bool:
        """Tell whether *address* is one that other hosts know us by."""
        return address in self._interfaces

    def is_tentative(self, address: bytes) -> bool:
        return address in self._tentative

    def is_loopback(self, address: bytes) -> bool:
        return address == LOOPBACK

    def is_group(self, address: bytes) -> bool:
        return is_multicast(address)

    def is_joined(self, group: bytes) -> bool:
        return group in self._groups

    def on_link(self, address: bytes) -> bool:
        """Tell whether *address* is in the network of one of ours."""
        wanted = IPv6Address(address)
        return any(wanted in each.network for each in self._interfaces.values())

    def source_for(self, destination: bytes) -> bytes | None:
        """Return the address that a packet to *destination* is sent from, None: we have none."""
        return self._sources.towards(destination, self._choose_source)

    def _choose_source(self, destination: bytes) -> bytes | None:
        if destination in self._interfaces or destination == LOOPBACK:
            return destination
        if not self._interfaces:
            return None
        scope, label = _scope(destination), _label(destination)

        def merit(candidate: bytes) -> tuple[int, bool, int]:
            prefix = self._interfaces[candidate].network.prefixlen
            return (
                _by_scope(_scope(candidate), scope),
                _label(candidate) == label,
                min(prefix, _common_prefix(candidate, destination)),
            )

        return max(self._interfaces, key=merit)

    def _index_groups(self) -> None:
        self._groups = {}
        self._sources.clear()
        if self:
            self._groups[ALL_NODES] = None
        for each in (*self._interfaces, *self._tentative):
            self._groups[solicited_node(each)] = None


def _scope(address: bytes) -> int:
    """Return the scope of *address* as a multicast address writes it (RFC 6724 §3.1)."""
    if is_multicast(address):
        return address[1] & 0xF
    if is_link_local(address) or address == LOOPBACK:
        return _LINK_LOCAL_SCOPE
    if address[0] == 0xFE and address[1] & 0xC0 == 0xC0:
        return _SITE_LOCAL_SCOPE
    return _GLOBAL_SCOPE


def _by_scope(ours: int, theirs: int) -> int:
    """Rank by rule 2: the least scope that reaches them, else the largest."""
    return 16 - ours if ours >= theirs else ours - 16


def _label(address: bytes) -> int:
    known = IPv6Address(address)
    return next(label for network, label in _LABELS if known in network)


def _common_prefix(one: bytes, other: bytes) -> int:
    """Return how many leading bits are the same."""
    difference = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
    return 128 - difference.bit_length()
