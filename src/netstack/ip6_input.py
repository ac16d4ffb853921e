"""IPv6 input, after Linux ip6_input.c and exthdrs.c: what is for us, and which protocol takes it.

Extension headers are heeded and removed, so that a protocol always finds its octets behind the
fixed header. No option is acted on. A routing header with segments left is refused whatever its
type: hosts do not forward (RFC 8200 §4.4; type 0: RFC 5095).
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from typing import Final

from netstack.drops import DropReason
from netstack.icmp6 import Icmp6Endpoint
from netstack.ip6_addresses import ANY, LOOPBACK, MAPPED, Ip6AddressTable, is_multicast
from netstack.ip6_fragment import Ip6Reassembly, bare
from netstack.ip_family import Receive
from netstack.ip_input import WELCOME_MAX
from netstack.timers import TimerHeap
from netstack.wire import MalformedPacket, icmpv6, ipv6, ndp, tcp, udp
from netstack.wire.icmpv6 import ParameterProblem, Type
from netstack.wire.ipv6 import Fragment, Header, NextHeader, TooManyExtensions

#: Version to flow label, payload length, next header.
_FIXED: Final = struct.Struct("!IHB")
#: What of a protocol must be in a first fragment (RFC 7112, Linux ipv6frag_thdr_truncated).
_FIRST_OCTETS_MIN: Final = {
    NextHeader.TCP: tcp.HEADER_OCTETS,
    NextHeader.UDP: udp.HEADER_OCTETS,
    NextHeader.ICMPV6: icmpv6.HEADER_OCTETS,
}
#: What a receiver that does not know an option does, by the highest two bits of its kind.
_SKIP, _DISCARD, _TELL, _TELL_UNLESS_GROUP = range(4)


class Ip6Input:
    """The way of a packet from the link to its protocol."""

    def __init__(
        self,
        addresses: Ip6AddressTable,
        icmp: Icmp6Endpoint,
        *,
        receivers: dict[int, Receive],
        timers: TimerHeap,
        drops: Counter[DropReason],
    ) -> None:
        self._addresses, self._icmp, self._receivers = addresses, icmp, receivers
        self._timers, self._drops = timers, drops
        self._reassembly = Ip6Reassembly(drops, icmp.reassembly_timed_out)
        #: Sources with destinations that `_is_for_us` found good.
        self._welcome: dict[bytes, None] = {}

    def forget(self) -> None:
        """The addresses changed: judge everyone anew."""
        self._welcome.clear()

    def receive(self, octets: bytes, offset: int, now: float, *, looped: bool = False) -> None:
        """Take the packet that begins at *offset* (Linux ip6_rcv)."""
        if len(octets) - offset < ipv6.HEADER_OCTETS:
            self._drops[DropReason.IP_MALFORMED] += 1
            return
        version, payload_length, next_header = _FIXED.unpack_from(octets, offset)
        end = offset + ipv6.HEADER_OCTETS + payload_length
        if version >> 28 != 6 or end > len(octets):
            self._drops[DropReason.IP_MALFORMED] += 1
            return
        if octets[offset + 8 : offset + 40] not in self._welcome and not self._is_for_us(
            octets[offset : offset + ipv6.HEADER_OCTETS], looped=looped
        ):
            return
        receiver = self._receivers.get(next_header)
        if receiver is not None:
            receiver(octets, offset, end, now)
        else:
            self._receive_extended(octets[offset:end], now, looped=looped)

    def _is_for_us(self, header: bytes, *, looped: bool) -> bool:
        source, destination = header[8:24], header[24:40]
        if self._addresses.is_own(destination):
            if looped:
                return True
            if self._is_martian(header, source):
                return False
            if len(self._welcome) >= WELCOME_MAX:
                self._welcome.clear()
            self._welcome[header[8:40]] = None
            return True
        if looped and destination == LOOPBACK:
            return True
        if self._addresses.is_joined(destination) and header[6] != NextHeader.TCP:
            if source == ANY and header[6] != NextHeader.ICMPV6:
                self._drops[DropReason.IP_MARTIAN] += 1
                return False
            return not self._is_martian(header, source)
        self._drops[DropReason.IP_NOT_FOR_US] += 1
        return False

    def _is_martian(self, header: bytes, source: bytes) -> bool:
        """Tell whether nobody on the link may send from *source*, and count it."""
        if self._addresses.is_own(source):
            # Only a neighbour can have said this: somebody else has our address.
            beside_us = header[6] == NextHeader.ICMPV6 and header[7] == ndp.HOP_LIMIT
            reason = DropReason.ADDRESS_CONFLICT if beside_us else DropReason.IP_MARTIAN
            self._drops[reason] += 1
            return True
        unicast_of_nobody = source == ANY and self._addresses.is_own(header[24:40])
        impossible = is_multicast(source) or source == LOOPBACK or source[:12] == MAPPED
        if impossible or unicast_of_nobody:
            self._drops[DropReason.IP_MARTIAN] += 1
            return True
        return False

    # Extension headers.

    def _receive_extended(
        self, packet: bytes, now: float, *, looped: bool, whole: bool = False
    ) -> None:
        """Take a packet with extension headers; *whole*: it was in fragments."""
        headers = ipv6.walk(packet)
        try:
            for header in headers:
                if not header.is_extension:
                    self._deliver(packet, header, now, looped=looped)
                elif header.kind != NextHeader.FRAGMENT:
                    if self._accepts(packet, header, now):
                        continue
                elif Fragment.parse(packet[header.start : header.end]).is_atomic:
                    continue
                elif whole:
                    self._drops[DropReason.FRAGMENT_BAD] += 1
                elif self._is_sound_fragment(packet, header, headers, now):
                    self._receive_fragment(packet, header.start, now, looped=looped)
                return
        except TooManyExtensions:
            self._drops[DropReason.EXTENSION_HEADERS_TOO_MANY] += 1
        except MalformedPacket:
            self._drops[DropReason.EXTENSION_HEADER_BAD] += 1

    def _deliver(self, packet: bytes, header: Header, now: float, *, looped: bool) -> None:
        """Hand what is behind the extension headers to its protocol."""
        if header.kind in self._receivers:
            self.receive(bare(packet, header.kind, packet[header.start :]), 0, now, looped=looped)
            return
        self._drops[DropReason.IP_PROTOCOL_UNKNOWN] += 1
        if header.kind != NextHeader.NONE:
            self._refuse(packet, ParameterProblem.NEXT_HEADER, header.named_at, now)

    def _accepts(self, packet: bytes, header: Header, now: float) -> bool:
        """Tell whether a header other than of a fragment lets the packet pass; raises."""
        if header.kind == NextHeader.ROUTING:
            if not packet[header.start + 3]:
                return True  # It was here: no segments left.
            self._drops[DropReason.ROUTING_HEADER_REFUSED] += 1
            self._refuse(packet, ParameterProblem.FIELD, header.start + 2, now)
            return False
        if header.kind == NextHeader.HOP_BY_HOP and header.start != ipv6.HEADER_OCTETS:
            self._drops[DropReason.EXTENSION_HEADER_BAD] += 1
            self._refuse(packet, ParameterProblem.NEXT_HEADER, header.named_at, now)
            return False
        for kind, at in ipv6.options(packet[header.start : header.end]):
            action = kind >> 6
            if action == _SKIP:
                continue
            self._drops[DropReason.OPTION_UNKNOWN] += 1
            if action == _TELL or (
                action == _TELL_UNLESS_GROUP and not is_multicast(packet[24:40])
            ):
                self._refuse(packet, ParameterProblem.OPTION, header.start + at, now)
            return False
        return True

    def _is_sound_fragment(
        self, packet: bytes, header: Header, rest: Iterator[Header], now: float
    ) -> bool:
        """Tell whether a fragment may be kept (RFC 8200 §4.5), the first with all its headers."""
        fragment = Fragment.parse(packet[header.start : header.end])
        length = len(packet) - header.end
        if fragment.more and length % 8:
            self._drops[DropReason.FRAGMENT_BAD] += 1
            self._refuse(packet, ParameterProblem.FIELD, 4, now)
            return False
        if fragment.offset + length > ipv6.PAYLOAD_OCTETS_MAX:
            self._drops[DropReason.FRAGMENT_BAD] += 1
            self._refuse(packet, ParameterProblem.FIELD, header.start + 2, now)
            return False
        if fragment.offset == 0 and not _is_complete_chain(rest):
            self._drops[DropReason.FRAGMENT_BAD] += 1
            self._refuse(packet, ParameterProblem.INCOMPLETE_CHAIN, 0, now)
            return False
        return True

    def _receive_fragment(self, packet: bytes, at: int, now: float, *, looped: bool) -> None:
        whole = self._reassembly.add(packet, at, now)
        self._timers.schedule(self._reassembly, self._reassembly.deadline())
        if whole is not None:
            self._receive_extended(whole, now, looped=looped, whole=True)

    def _refuse(self, packet: bytes, code: ParameterProblem, pointer: int, now: float) -> None:
        self._icmp.send_error(Type.PARAMETER_PROBLEM, code, packet, now, rest=pointer)


def _is_complete_chain(rest: Iterator[Header]) -> bool:
    """Tell whether *rest* ends with the beginning of a protocol's own header."""
    try:
        last = list(rest)[-1]
    except MalformedPacket:
        return False
    wanted = _FIRST_OCTETS_MIN.get(NextHeader(last.kind), 0) if last.kind in _KINDS else 0
    return last.end - last.start >= wanted


_KINDS: Final = frozenset(NextHeader)
