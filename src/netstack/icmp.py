"""ICMP of a host (RFC 1122 §3.2.2), after Linux icmp.c: echo, and errors in both directions.

An error that arrives is handed to the protocol whose packet it quotes. An error that is to be sent
passes RFC 1122's list of packets that must not be answered, and a token bucket. Unlike Linux echo
replies are bounded too, with a bucket of their own.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from netstack.addresses import ANY, AddressTable, IpAddress, from_octets, is_multicast
from netstack.drops import DropReason
from netstack.ip_output import TTL, IpOutput
from netstack.token_bucket import TokenBucket
from netstack.wire import MalformedPacket, checksum, ipv4
from netstack.wire.icmp import (
    ERRORS,
    HEADER_OCTETS,
    Icmp,
    IcmpView,
    TimeExceeded,
    Type,
    Unreachable,
    echo,
)

_ECHO_REQUEST: Final = bytes((Type.ECHO_REQUEST,))
_REPLY_TYPE_AND_CODE: Final = bytes((Type.ECHO_REPLY, 0))

#: net.ipv4.icmp_msgs_per_sec and icmp_msgs_burst.
ERRORS_PER_S: Final = 1000.0
ERRORS_BURST: Final = 50.0
#: Ours; enough for any ping, too little to make a host its own flood.
ECHO_REPLIES_PER_S: Final = 10_000.0
ECHO_REPLIES_BURST: Final = 1000.0
#: An error is at most 576 octets long (RFC 1812 §4.3.2.3).
QUOTED_OCTETS_MAX: Final = 576 - 28

#: Error number and whether it ends a connection, by code (Linux icmp_err_convert).
_UNREACHABLE: Final[Mapping[int, tuple[int, bool]]] = {
    Unreachable.NETWORK: (errno.ENETUNREACH, False),
    Unreachable.HOST: (errno.EHOSTUNREACH, False),
    Unreachable.PROTOCOL: (errno.ENOPROTOOPT, True),
    Unreachable.PORT: (errno.ECONNREFUSED, True),
    Unreachable.FRAGMENTATION_NEEDED: (errno.EMSGSIZE, False),
    Unreachable.NETWORK_PROHIBITED: (errno.ENETUNREACH, True),
    Unreachable.HOST_PROHIBITED: (errno.EHOSTUNREACH, True),
    Unreachable.ADMINISTRATIVELY_PROHIBITED: (errno.EHOSTUNREACH, True),
}


@dataclass(frozen=True, slots=True)
class EchoReply:
    """An answer to a ping."""

    address: IpAddress
    identifier: int
    sequence: int
    payload: bytes
    received_at: float
    ttl: int  # As it arrived; IPv6's hop limit.


@dataclass(frozen=True, slots=True)
class IcmpError:
    """An error of either family about a packet of ours."""

    errno: int
    #: Whether Linux calls the error a hard one.
    is_fatal: bool
    #: What fits, where the packet was too long.
    mtu: int | None
    source: bytes
    destination: bytes
    #: What was quoted after the IP header, at least eight octets.
    payload: bytes
    #: Who says so, and in which words of his family.
    offender: bytes
    type: int
    code: int


#: What a protocol does about an error that quotes one of its packets.
OnError = Callable[[IcmpError, float], None]


class IcmpEndpoint:
    """The ICMP of one host."""

    def __init__(
        self, output: IpOutput, addresses: AddressTable, drops: Counter[DropReason]
    ) -> None:
        self.on_echo_reply: Callable[[EchoReply], None] | None = None
        self.on_error: dict[int, OnError] = {}
        self._output, self._addresses, self._drops = output, addresses, drops
        #: Chooses whom an answer comes from that is not about a packet to one of our addresses.
        self.source_for = addresses.source_for
        #: A second one who hears of echo replies, while there are probes.
        self.on_probe_reply: Callable[[EchoReply], None] | None = None
        self._errors = TokenBucket(per_s=ERRORS_PER_S, burst=ERRORS_BURST)
        self._echo_replies = TokenBucket(per_s=ECHO_REPLIES_PER_S, burst=ECHO_REPLIES_BURST)

    def receive(self, octets: bytes, offset: int, end: int, now: float) -> None:
        """Take a packet whose header is at *offset* and has 20 octets."""
        source, destination = octets[offset + 12 : offset + 16], octets[offset + 16 : offset + 20]
        message_octets = octets[offset + ipv4.HEADER_OCTETS : end]
        if message_octets[:1] == _ECHO_REQUEST:
            self._reply(message_octets, (destination, source), now)
            return
        try:
            message = Icmp.parse(IcmpView(message_octets))
        except MalformedPacket:
            self._drops[DropReason.ICMP_MALFORMED] += 1
            return
        if message.type == Type.ECHO_REPLY:
            self._replied(message, source, octets[offset + 8], now)
        elif message.type in ERRORS:
            self._error_arrives(message, source, now)

    def ping(
        self,
        endpoints: tuple[bytes, bytes],
        identity: tuple[int, int],
        payload: bytes,
        now: float,
        *,
        hop_limit: int = TTL,
    ) -> None:
        """Send an echo request with an identifier and a sequence number."""
        octets = echo(Type.ECHO_REQUEST, *identity, payload).emit()
        self._output.send(ipv4.PROTOCOL_ICMP, endpoints, octets, now, hop_limit=hop_limit)

    def send_error(self, kind: int, code: int, packet: bytes, now: float, *, rest: int = 0) -> None:
        """Tell the sender of *packet* what became of it, if it may be told."""
        if not self._may_be_answered(packet):
            return
        if not self._errors.take(now):
            self._drops[DropReason.ICMP_RATE] += 1
            return
        source = self._answer_from(packet)
        if source is None:
            return
        endpoints = (source, packet[12:16])
        message = Icmp(kind, code, rest, packet[:QUOTED_OCTETS_MAX])
        self._output.send(ipv4.PROTOCOL_ICMP, endpoints, message.emit(), now)

    def unreachable(self, code: Unreachable, packet: bytes, now: float) -> None:
        self.send_error(Type.UNREACHABLE, code, packet, now)

    def port_unreachable(self, packet: bytes, now: float) -> None:
        self.send_error(Type.UNREACHABLE, Unreachable.PORT, packet, now)

    def reassembly_timed_out(self, packet: bytes, now: float) -> None:
        self.send_error(Type.TIME_EXCEEDED, TimeExceeded.REASSEMBLY, packet, now)

    def own_packet_failed(self, packet: bytes, code: Unreachable, now: float) -> None:
        """Let a socket of this host know, without a message on any wire."""
        self._error_arrives(Icmp(Type.UNREACHABLE, code, 0, packet), packet[12:16], now)

    def _reply(self, request: bytes, endpoints: tuple[bytes, bytes], now: float) -> None:
        """Send *request* back with type and code 0, its checksum brought up to date."""
        if len(request) < HEADER_OCTETS or not checksum.holds(checksum.add(request)):
            self._drops[DropReason.ICMP_MALFORMED] += 1
            return
        if not self._echo_replies.take(now):
            self._drops[DropReason.ICMP_RATE] += 1
            return
        field = checksum.update(request[2] << 8 | request[3], request[0] << 8 | request[1])
        reply = b"".join((_REPLY_TYPE_AND_CODE, field.to_bytes(2, "big"), request[4:]))
        self._output.send(ipv4.PROTOCOL_ICMP, endpoints, reply, now)

    def _replied(self, message: Icmp, source: bytes, ttl: int, now: float) -> None:
        for heed in (self.on_echo_reply, self.on_probe_reply):
            if heed is not None:
                number = message.identifier, message.sequence
                heed(EchoReply(from_octets(source), *number, message.body, now, ttl))

    def _error_arrives(self, message: Icmp, offender: bytes, now: float) -> None:
        quoted = message.body
        header_length = (quoted[0] & 0xF) << 2 if quoted else 0
        if not ipv4.HEADER_OCTETS <= header_length <= len(quoted) - 8 or quoted[0] >> 4 != 4:
            self._drops[DropReason.ICMP_MALFORMED] += 1
            return
        number, is_fatal = _meaning(message)
        too_long = message.type == Type.UNREACHABLE and (
            message.code == Unreachable.FRAGMENTATION_NEEDED
        )
        error = IcmpError(
            errno=number,
            is_fatal=is_fatal,
            mtu=message.next_hop_mtu if too_long else None,
            source=quoted[12:16],
            destination=quoted[16:20],
            payload=quoted[header_length:],
            offender=offender,
            type=message.type,
            code=message.code,
        )
        heed = self.on_error.get(quoted[9])
        if heed is not None and self._addresses.is_local(error.source):
            heed(error, now)

    def _may_be_answered(self, packet: bytes) -> bool:
        source, destination = packet[12:16], packet[16:20]
        if source == ANY or is_multicast(source) or self._addresses.is_broadcast(source):
            return False
        if is_multicast(destination) or self._addresses.is_broadcast(destination):
            return False
        if (packet[6] << 8 | packet[7]) & ipv4.OFFSET_MASK:
            return False
        about_icmp = packet[9] == ipv4.PROTOCOL_ICMP
        return not (about_icmp and len(packet) > 20 and packet[20] in ERRORS)

    def _answer_from(self, packet: bytes) -> bytes | None:
        destination = packet[16:20]
        if self._addresses.is_local(destination):
            return destination
        return self.source_for(packet[12:16])


def _meaning(message: Icmp) -> tuple[int, bool]:
    """Return the error number of an error, and whether it is a hard one."""
    if message.type == Type.UNREACHABLE:
        return _UNREACHABLE.get(message.code, (errno.EHOSTUNREACH, False))
    is_parameter = message.type == Type.PARAMETER_PROBLEM
    return (errno.EPROTO, True) if is_parameter else (errno.EHOSTUNREACH, False)
