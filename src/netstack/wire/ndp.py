"""Neighbour discovery's messages (RFC 4861 §4), each the meaning of an `Icmpv6` message.

Solicitations and advertisements of neighbours and routers, with the options that a statically
addressed host needs: link-layer addresses and MTU. Others (prefixes, DNS servers, redirected
headers) are passed over. What §6.1 and §7.1 demand of a message is checked here, but for what lies
outside it: the hop limit, and what the addresses of the packet must be.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

from netstack.wire.ethernet import MAC_OCTETS, is_group
from netstack.wire.icmpv6 import Icmpv6, Type
from netstack.wire.malformed import MalformedPacket

#: What only a neighbour can send: every router on the way would have made it less.
HOP_LIMIT: Final = 255
#: Options of one message; more are more than there are kinds of.
OPTIONS_MAX: Final = 32

_ADDRESS_OCTETS: Final = 16
_ROUTER: Final = 1 << 31
_SOLICITED: Final = 1 << 30
_OVERRIDE: Final = 1 << 29
#: Reachable time and retransmission timer, milliseconds.
_TIMERS: Final = struct.Struct("!II")
_MTU: Final = struct.Struct("!BBHI")


class OptionKind(enum.IntEnum):
    """Options that are read."""

    SOURCE_MAC = 1
    TARGET_MAC = 2
    MTU = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a message says in options; None where it does not say."""

    source_mac: bytes | None = None
    target_mac: bytes | None = None
    mtu: int | None = None

    def __post_init__(self) -> None:
        assert self.source_mac is None or len(self.source_mac) == MAC_OCTETS
        assert self.target_mac is None or len(self.target_mac) == MAC_OCTETS
        assert self.mtu is None or 0 <= self.mtu < 1 << 32

    @classmethod
    def parse(cls, octets: bytes) -> Options:
        found: dict[int, bytes] = {}
        at = count = 0
        while at < len(octets):
            length = octets[at + 1] << 3 if at + 1 < len(octets) else 0
            count += 1
            if not length or at + length > len(octets) or count > OPTIONS_MAX:
                raise MalformedPacket("ndp: an option's length makes no sense")
            found.setdefault(octets[at], octets[at + 2 : at + length])
            at += length
        mtu = found.get(OptionKind.MTU)
        return cls(
            source_mac=_mac(found.get(OptionKind.SOURCE_MAC)),
            target_mac=_mac(found.get(OptionKind.TARGET_MAC)),
            mtu=int.from_bytes(mtu[2:6], "big") if mtu is not None and len(mtu) == 6 else None,
        )

    def emit(self) -> bytes:
        octets = b""
        if self.source_mac is not None:
            octets += bytes((OptionKind.SOURCE_MAC, 1)) + self.source_mac
        if self.target_mac is not None:
            octets += bytes((OptionKind.TARGET_MAC, 1)) + self.target_mac
        if self.mtu is not None:
            octets += _MTU.pack(OptionKind.MTU, 1, 0, self.mtu)
        return octets


_NO_OPTIONS: Final = Options()


@dataclass(frozen=True, slots=True)
class NeighbourSolicitation:
    """Who has *target*, and where?"""

    target: IPv6Address
    options: Options = _NO_OPTIONS

    @classmethod
    def parse(cls, message: Icmpv6) -> NeighbourSolicitation:
        target, options = _target(message, Type.NEIGHBOUR_SOLICITATION)
        return cls(target, options)

    def emit(self) -> Icmpv6:
        body = self.target.packed + self.options.emit()
        return Icmpv6(Type.NEIGHBOUR_SOLICITATION, 0, 0, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourAdvertisement:
    """I have *target*, and I am here."""

    target: IPv6Address
    router: bool = False
    solicited: bool = False
    override: bool = False
    options: Options = _NO_OPTIONS

    @classmethod
    def parse(cls, message: Icmpv6) -> NeighbourAdvertisement:
        target, options = _target(message, Type.NEIGHBOUR_ADVERTISEMENT)
        return cls(
            target=target,
            router=bool(message.rest & _ROUTER),
            solicited=bool(message.rest & _SOLICITED),
            override=bool(message.rest & _OVERRIDE),
            options=options,
        )

    def emit(self) -> Icmpv6:
        flags = self.router * _ROUTER | self.solicited * _SOLICITED | self.override * _OVERRIDE
        body = self.target.packed + self.options.emit()
        return Icmpv6(Type.NEIGHBOUR_ADVERTISEMENT, 0, flags, body)


@dataclass(frozen=True, slots=True)
class RouterSolicitation:
    """Are there routers?"""

    options: Options = _NO_OPTIONS

    @classmethod
    def parse(cls, message: Icmpv6) -> RouterSolicitation:
        _demand(message, Type.ROUTER_SOLICITATION, 0)
        return cls(Options.parse(message.body))

    def emit(self) -> Icmpv6:
        return Icmpv6(Type.ROUTER_SOLICITATION, 0, 0, self.options.emit())


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterAdvertisement:
    """I am a router; zero means that I do not say."""

    hop_limit: int = 0
    flags: int = 0
    lifetime_s: int = 0
    reachable_ms: int = 0
    retransmit_ms: int = 0
    options: Options = _NO_OPTIONS

    def __post_init__(self) -> None:
        assert 0 <= self.hop_limit < 256
        assert 0 <= self.flags < 256
        assert 0 <= self.lifetime_s <= 0xFFFF

    @classmethod
    def parse(cls, message: Icmpv6) -> RouterAdvertisement:
        _demand(message, Type.ROUTER_ADVERTISEMENT, _TIMERS.size)
        reachable_ms, retransmit_ms = _TIMERS.unpack_from(message.body)
        return cls(
            hop_limit=message.rest >> 24,
            flags=message.rest >> 16 & 0xFF,
            lifetime_s=message.rest & 0xFFFF,
            reachable_ms=reachable_ms,
            retransmit_ms=retransmit_ms,
            options=Options.parse(message.body[_TIMERS.size :]),
        )

    def emit(self) -> Icmpv6:
        rest = self.hop_limit << 24 | self.flags << 16 | self.lifetime_s
        body = _TIMERS.pack(self.reachable_ms, self.retransmit_ms) + self.options.emit()
        return Icmpv6(Type.ROUTER_ADVERTISEMENT, 0, rest, body)


def _demand(message: Icmpv6, kind: Type, body_octets: int) -> None:
    if message.type != kind:
        raise MalformedPacket(f"ndp: type {message.type} is no {kind.name}")
    if message.code != 0 or len(message.body) < body_octets:
        raise MalformedPacket("ndp: code or length makes no sense")


def _target(message: Icmpv6, kind: Type) -> tuple[IPv6Address, Options]:
    _demand(message, kind, _ADDRESS_OCTETS)
    target = IPv6Address(message.body[:_ADDRESS_OCTETS])
    if target.is_multicast or target.is_unspecified:
        raise MalformedPacket("ndp: the target is nobody's address")
    return target, Options.parse(message.body[_ADDRESS_OCTETS:])


def _mac(octets: bytes | None) -> bytes | None:
    if octets is None:
        return None
    if len(octets) != MAC_OCTETS or is_group(octets):
        raise MalformedPacket("ndp: a link-layer address that nobody can have")
    return octets
