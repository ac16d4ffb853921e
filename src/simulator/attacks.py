"""Packets of people who mean no good, as a pod can send them: whole frames, built by hand.

Each attack is a function from chance and who is attacked to one frame. Sources are spoofed where
the attack calls for it; checksums are right, or the attack would end at the first parser.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from netstack.ip_output import header
from netstack.wire import checksum, ipv4, tcp, udp
from netstack.wire.ethernet import ETHERTYPE_IPV4, Ethernet
from simulator.tables import POD_TCP_PORT, POD_UDP_PORT

_LOOPBACK: Final = IPv4Address("127.0.0.1")
_NOBODY: Final = IPv6Address("::")
_SYN: Final = int(tcp.Flag.SYN)


@dataclass(frozen=True, slots=True)
class Aim:
    """Whose pod sends, to whom, and by which MAC its frames leave."""

    attacker: IPv4Address
    attacker_mac: bytes
    gateway_mac: bytes
    victim: IPv4Address
    #: Where the cluster has both versions.
    attacker6: IPv6Address = _NOBODY
    victim6: IPv6Address = _NOBODY


def _frame(aim: Aim, packet: bytes) -> bytes:
    return Ethernet(aim.gateway_mac, aim.attacker_mac, ETHERTYPE_IPV4).emit() + packet


def _packet(
    protocol: int,
    source: IPv4Address,
    destination: IPv4Address,
    payload: bytes,
    *,
    identification: int,
    flags: int = 0,
) -> bytes:
    endpoints = (source.packed, destination.packed)
    return header(protocol, endpoints, identification, flags, len(payload)) + payload


def _segment(source: IPv4Address, aim: Aim, flags: int, rng: random.Random) -> bytes:
    fields = [rng.randrange(1024, 65536), POD_TCP_PORT, rng.getrandbits(32), rng.getrandbits(32)]
    rest = [5 << 12 | flags, 65535, 0, 0]
    bare = tcp.HEADER.pack(*fields, *rest)
    pseudo = checksum.pseudo_header(source.packed, aim.victim.packed, ipv4.PROTOCOL_TCP, len(bare))
    rest[2] = checksum.finish(pseudo + checksum.add(bare))
    payload = tcp.HEADER.pack(*fields, *rest)
    number = rng.getrandbits(16)
    return _packet(ipv4.PROTOCOL_TCP, source, aim.victim, payload, identification=number)


def _stranger(rng: random.Random) -> IPv4Address:
    """Return an address outside the cluster."""
    return IPv4Address(f"203.0.{rng.randrange(112, 114)}.{rng.randrange(1, 255)}")


def syn(aim: Aim, rng: random.Random) -> bytes:
    """Begin a handshake in a stranger's name, and never end it."""
    return _frame(aim, _segment(_stranger(rng), aim, _SYN, rng))


def own_syn(aim: Aim, rng: random.Random) -> bytes:
    """Begin a handshake in one's own name: the answers arrive, and are answered with RST."""
    return _frame(aim, _segment(aim.attacker, aim, _SYN, rng))


def flags(aim: Aim, rng: random.Random) -> bytes:
    """Set flags at random, null and Christmas tree among them."""
    return _frame(aim, _segment(aim.attacker, aim, rng.randrange(256), rng))


def martian(aim: Aim, rng: random.Random) -> bytes:
    """Claim to be loopback, a broadcast, or the victim itself."""
    sources = (_LOOPBACK, IPv4Address("255.255.255.255"), IPv4Address("0.0.0.0"), aim.victim)
    return _frame(aim, _segment(rng.choice(sources), aim, _SYN, rng))


def fragment(aim: Aim, rng: random.Random) -> bytes:
    """Send a piece of a datagram whose other pieces never come."""
    more = ipv4.MORE_FRAGMENTS | rng.randrange(0, 180) * 8 >> 3
    return _frame(
        aim,
        _packet(
            ipv4.PROTOCOL_UDP,
            _stranger(rng) if rng.random() < 0.5 else aim.attacker,
            aim.victim,
            rng.randbytes(1400),
            identification=rng.getrandbits(16),
            flags=more,
        ),
    )


def neighbour_syn(aim: Aim, rng: random.Random) -> bytes:
    """Begin a handshake in the name of somebody on the link who is not there: ask for them all."""
    network = int(aim.victim) & 0xFFFFFF00
    return _frame(aim, _segment(IPv4Address(network | rng.randrange(50, 255)), aim, _SYN, rng))


def datagram(aim: Aim, rng: random.Random) -> bytes:
    """Fill conntrack: every datagram comes from another port, to one that nobody serves."""
    return _datagram(aim, POD_UDP_PORT + 1, rng)


def question(aim: Aim, rng: random.Random) -> bytes:
    """Fill conntrack with datagrams that are answered."""
    return _datagram(aim, POD_UDP_PORT, rng)


def _datagram(aim: Aim, port: int, rng: random.Random) -> bytes:
    source = aim.attacker
    size = udp.HEADER_OCTETS + 8
    bare = udp.HEADER.pack(rng.randrange(1, 65536), port, size, 0) + rng.randbytes(8)
    pseudo = checksum.pseudo_header(source.packed, aim.victim.packed, ipv4.PROTOCOL_UDP, size)
    field = struct.pack("!H", checksum.finish_udp(pseudo + checksum.add(bare)))
    payload = bare[:6] + field + bare[8:]
    number = rng.getrandbits(16)
    packet = _packet(ipv4.PROTOCOL_UDP, source, aim.victim, payload, identification=number)
    return _frame(aim, packet)


def noise(aim: Aim, rng: random.Random) -> bytes:
    """Send octets that are hardly a frame."""
    head = rng.choice((aim.gateway_mac, b"\xff" * 6, rng.randbytes(6))) + aim.attacker_mac
    kind = rng.choice((b"\x08\x00", b"\x08\x06", b"\x86\xdd", rng.randbytes(2)))
    return (head + kind + rng.randbytes(rng.randrange(120)))[: rng.randrange(1, 140)]


def stranger_mac(aim: Aim, rng: random.Random) -> bytes:
    """Claim another MAC in every frame, so that the bridge learns them all."""
    mac = b"\x0a" + rng.randbytes(5)
    return b"\xff" * 6 + mac + b"\x88\xb5" + rng.randbytes(46)


#: Every attack by its name.
ATTACKS: Final[Mapping[str, Callable[[Aim, random.Random], bytes]]] = {
    "syn": syn,
    "own-syn": own_syn,
    "flags": flags,
    "martian": martian,
    "fragment": fragment,
    "datagram": datagram,
    "question": question,
    "neighbour-syn": neighbour_syn,
    "noise": noise,
    "stranger-mac": stranger_mac,
}


def vxlan_noise(rng: random.Random, inner: bytes) -> bytes:
    """Return a datagram for the VXLAN port that means no good: header, VNI or frame are wrong."""
    head = rng.choice((b"\x08\0\0\0\0\0\x01\0", b"\x08\0\0\0\0\0\x02\0", rng.randbytes(8)))
    frame = rng.choice((inner, inner[: rng.randrange(len(inner) + 1)], rng.randbytes(60)))
    return (head + frame)[: rng.randrange(1, 1600)]
