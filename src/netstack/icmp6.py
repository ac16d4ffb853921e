"""ICMPv6 of a host (RFC 4443), after Linux icmp.c of net/ipv6: echo, and errors both ways.

As `icmp` does for IPv4. Neighbour discovery is handed to whoever has a link. Echo requests to a
group are answered, as Linux does (echo_ignore_multicast=0).
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address
from typing import Final

from netstack.drops import DropReason
from netstack.icmp import (
    ECHO_REPLIES_BURST,
    ECHO_REPLIES_PER_S,
    ERRORS_BURST,
    ERRORS_PER_S,
    EchoReply,
    IcmpError,
    OnError,
)
from netstack.ip6_addresses import ANY, Ip6AddressTable, is_multicast
from netstack.ip6_output import HOP_LIMIT, Ip6Output
from netstack.token_bucket import TokenBucket
from netstack.wire import MalformedPacket, ipv6
from netstack.wire.icmpv6 import (
    ERRORS,
    HEADER_OCTETS,
    INFORMATIONAL,
    Icmpv6,
    Icmpv6View,
    ParameterProblem,
    TimeExceeded,
    Type,
    Unreachable,
    echo,
)
from netstack.wire.ipv6 import NextHeader

#: An error is no longer than what every link carries (RFC 4443 §2.4 c).
QUOTED_OCTETS_MAX: Final = ipv6.MTU_MIN - ipv6.HEADER_OCTETS - HEADER_OCTETS

#: Error number and whether it ends a connection, by code (Linux icmpv6_err_convert).
_UNREACHABLE: Final[Mapping[int, tuple[int, bool]]] = {
    Unreachable.NO_ROUTE: (errno.ENETUNREACH, False),
    Unreachable.PROHIBITED: (errno.EACCES, True),
    Unreachable.BEYOND_SCOPE: (errno.EHOSTUNREACH, False),
    Unreachable.ADDRESS: (errno.EHOSTUNREACH, False),
    Unreachable.PORT: (errno.ECONNREFUSED, True),
    Unreachable.SOURCE_POLICY: (errno.EACCES, True),
    Unreachable.REJECT_ROUTE: (errno.EACCES, True),
}
_OTHERS: Final[Mapping[int, tuple[int, bool]]] = {
    Type.PACKET_TOO_BIG: (errno.EMSGSIZE, False),
    Type.TIME_EXCEEDED: (errno.EHOSTUNREACH, False),
    Type.PARAMETER_PROBLEM: (errno.EPROTO, True),
}
_DISCOVERY: Final = (
    Type.ROUTER_SOLICITATION,
    Type.ROUTER_ADVERTISEMENT,
    Type.NEIGHBOUR_SOLICITATION,
    Type.NEIGHBOUR_ADVERTISEMENT,
    Type.REDIRECT,
)

#: Takes a message of neighbour discovery, and the packet's header.
OnDiscovery = Callable[[Icmpv6, ipv6.Ipv6View, float], None]


class Icmp6Endpoint:
    """The ICMPv6 of one host."""

    def __init__(
        self, output: Ip6Output, addresses: Ip6AddressTable, drops: Counter[DropReason]
    ) -> None:
        self.on_echo_reply: Callable[[EchoReply], None] | None = None
        self.on_discovery: OnDiscovery | None = None
        self.on_error: dict[int, OnError] = {}
        #: Chooses whom an answer comes from that is not about a packet to one of our addresses.
        self.source_for = addresses.source_for
        #: A second one who hears of echo replies, while there are probes.
        self.on_probe_reply: Callable[[EchoReply], None] | None = None
        self._output, self._addresses, self._drops = output, addresses, drops
        self._errors = TokenBucket(per_s=ERRORS_PER_S, burst=ERRORS_BURST)
        self._echo_replies = TokenBucket(per_s=ECHO_REPLIES_PER_S, burst=ECHO_REPLIES_BURST)

    def receive(self, octets: bytes, offset: int, end: int, now: float) -> None:
        """Take a packet whose fixed header is at *offset*, the message right behind it."""
        header = ipv6.Ipv6View(octets[offset : offset + ipv6.HEADER_OCTETS])
        source, destination = IPv6Address(header.source), IPv6Address(header.destination)
        try:
            view = Icmpv6View(octets[offset + ipv6.HEADER_OCTETS : end])
            message = Icmpv6.parse(view, source, destination)
        except MalformedPacket:
            self._drops[DropReason.ICMP_MALFORMED] += 1
            return
        if message.type == Type.ECHO_REQUEST:
            self._reply(message, header, now)
        elif message.type == Type.ECHO_REPLY:
            self._replied(message, source, octets[offset + 7], now)
        elif message.type in ERRORS:
            self._error_arrives(message, header.source, now)
        elif message.type in _DISCOVERY and self.on_discovery is not None:
            self.on_discovery(message, header, now)

    def ping(
        self,
        endpoints: tuple[bytes, bytes],
        identity: tuple[int, int],
        payload: bytes,
        now: float,
        *,
        hop_limit: int = HOP_LIMIT,
    ) -> None:
        """Send an echo request with an identifier and a sequence number."""
        self._send(echo(Type.ECHO_REQUEST, *identity, payload), endpoints, now, hop_limit)

    def send_error(self, kind: int, code: int, packet: bytes, now: float, *, rest: int = 0) -> None:
        """Tell the sender of *packet* what became of it, if it may be told."""
        about_group = kind == Type.PACKET_TOO_BIG or (
            (kind, code) == (Type.PARAMETER_PROBLEM, ParameterProblem.OPTION)
        )
        if not self._may_be_answered(packet, about_group=about_group):
            return
        if not self._errors.take(now):
            self._drops[DropReason.ICMP_RATE] += 1
            return
        source, destination = self._answer_from(packet), packet[8:24]
        if source is not None:
            message = Icmpv6(kind, code, rest, packet[:QUOTED_OCTETS_MAX])
            self._send(message, (source, destination), now)

    def port_unreachable(self, packet: bytes, now: float) -> None:
        self.send_error(Type.UNREACHABLE, Unreachable.PORT, packet, now)

    def reassembly_timed_out(self, packet: bytes, now: float) -> None:
        self.send_error(Type.TIME_EXCEEDED, TimeExceeded.REASSEMBLY, packet, now)

    def own_packet_failed(self, packet: bytes, code: Unreachable, now: float) -> None:
        """Let a socket of this host know, without a message on any wire."""
        self._error_arrives(Icmpv6(Type.UNREACHABLE, code, 0, packet), packet[8:24], now)

    def _send(
        self,
        message: Icmpv6,
        endpoints: tuple[bytes, bytes],
        now: float,
        hop_limit: int = HOP_LIMIT,
    ) -> None:
        octets = message.emit(IPv6Address(endpoints[0]), IPv6Address(endpoints[1]))
        self._output.send(NextHeader.ICMPV6, endpoints, octets, now, hop_limit=hop_limit)

    def _reply(self, request: Icmpv6, header: ipv6.Ipv6View, now: float) -> None:
        if not self._echo_replies.take(now):
            self._drops[DropReason.ICMP_RATE] += 1
            return
        reply = echo(Type.ECHO_REPLY, request.identifier, request.sequence, request.body)
        destination = header.destination
        source = destination
        if is_multicast(destination):
            source = self.source_for(header.source) or ANY
        if source != ANY and header.source != ANY:
            self._send(reply, (source, header.source), now)

    def _replied(self, message: Icmpv6, source: IPv6Address, ttl: int, now: float) -> None:
        for heed in (self.on_echo_reply, self.on_probe_reply):
            if heed is not None:
                number = message.identifier, message.sequence
                heed(EchoReply(source, *number, message.body, now, ttl))

    def _error_arrives(self, message: Icmpv6, offender: bytes, now: float) -> None:
        quoted = message.body
        found = _quoted_protocol(quoted)
        too_big = message.type == Type.PACKET_TOO_BIG
        # No link carries less than 1280, so who says so is not believed (RFC 8201 §4).
        if found is None or (too_big and message.rest < ipv6.MTU_MIN):
            self._drops[DropReason.ICMP_MALFORMED] += 1
            return
        number, is_fatal = _meaning(message)
        error = IcmpError(
            errno=number,
            is_fatal=is_fatal,
            mtu=message.rest if too_big else None,
            source=quoted[8:24],
            destination=quoted[24:40],
            payload=quoted[found.start :],
            offender=offender,
            type=message.type,
            code=message.code,
        )
        heed = self.on_error.get(found.kind)
        if heed is not None and self._addresses.is_local(error.source):
            heed(error, now)

    def _may_be_answered(self, packet: bytes, *, about_group: bool) -> bool:
        """Tell whether RFC 4443 §2.4 (e) allows an error about *packet*."""
        source, destination = packet[8:24], packet[24:40]
        if source == ANY or is_multicast(source):
            return False
        if is_multicast(destination) and not about_group:
            return False
        try:
            last = list(ipv6.walk(packet))[-1]
        except MalformedPacket:
            return True  # Whatever it is: an error of ours would have been read.
        if last.kind != NextHeader.ICMPV6 or last.start >= len(packet):
            return True
        kind = packet[last.start]
        return bool(kind & INFORMATIONAL) and kind != Type.REDIRECT

    def _answer_from(self, packet: bytes) -> bytes | None:
        destination = packet[24:40]
        if self._addresses.is_local(destination):
            return destination
        return self.source_for(packet[8:24])


def _quoted_protocol(quoted: bytes) -> ipv6.Header | None:
    """Return what of TCP's, UDP's or ICMPv6's header was quoted, None where it is too little."""
    if len(quoted) < ipv6.HEADER_OCTETS or quoted[0] >> 4 != 6:
        return None
    try:
        last = list(ipv6.walk(quoted))[-1]
    except MalformedPacket:
        return None
    return None if last.is_extension or last.end - last.start < 8 else last


def _meaning(message: Icmpv6) -> tuple[int, bool]:
    """Return the error number of an error, and whether it is a hard one."""
    if message.type == Type.UNREACHABLE:
        return _UNREACHABLE.get(message.code, (errno.EHOSTUNREACH, False))
    return _OTHERS[message.type]
