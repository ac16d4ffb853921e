"""IPv4 input, after Linux ip_input.c: what is for us, and which protocol takes it."""

from __future__ import annotations

import struct
from collections import Counter
from typing import Final

from netstack.addresses import AddressTable, is_loopback, is_multicast
from netstack.drops import DropReason
from netstack.icmp import IcmpEndpoint
from netstack.ip_family import Receive
from netstack.ip_fragment import Reassembly
from netstack.timers import TimerHeap
from netstack.wire import MalformedPacket, checksum, ipv4
from netstack.wire.icmp import Unreachable

#: Pairs of addresses that are remembered as good; all are forgotten at this number.
WELCOME_MAX: Final = 4096

#: Version and header length, total length, flags and offset, protocol.
_FIXED: Final = struct.Struct("!BxHxxHxB")


class IpInput:
    """The way of a packet from the link to its protocol."""

    def __init__(
        self,
        addresses: AddressTable,
        icmp: IcmpEndpoint,
        *,
        receivers: dict[int, Receive],
        timers: TimerHeap,
        drops: Counter[DropReason],
    ) -> None:
        self._addresses, self._icmp, self._receivers = addresses, icmp, receivers
        self._timers, self._drops = timers, drops
        self._reassembly = Reassembly(drops, icmp.reassembly_timed_out)
        #: Sources with destinations that `_is_for_us` found good.
        self._welcome: dict[bytes, None] = {}

    def forget(self) -> None:
        """The addresses changed: judge everyone anew."""
        self._welcome.clear()

    def receive(self, octets: bytes, offset: int, now: float, *, looped: bool = False) -> None:
        """Take the packet that begins at *offset* (Linux ip_rcv)."""
        if len(octets) - offset < ipv4.HEADER_OCTETS:
            self._drops[DropReason.IP_MALFORMED] += 1
            return
        version, total_length, fragment, protocol = _FIXED.unpack_from(octets, offset)
        end = offset + total_length
        if version != 0x45 or end > len(octets) or total_length < ipv4.HEADER_OCTETS:
            self._receive_unusual(octets[offset:], now, looped=looped)
            return
        header = octets[offset : offset + ipv4.HEADER_OCTETS]
        if int.from_bytes(header, "little") % 0xFFFF:
            self._drops[DropReason.IP_CHECKSUM] += 1
            return
        if header[12:20] not in self._welcome and not self._is_for_us(header, looped=looped):
            return
        if fragment & ipv4.FRAGMENT_MASK:
            self._receive_fragment(octets[offset:end], now)
            return
        receiver = self._receivers.get(protocol)
        if receiver is not None:
            receiver(octets, offset, end, now)
        else:
            self._drops[DropReason.IP_PROTOCOL_UNKNOWN] += 1
            self._icmp.unreachable(Unreachable.PROTOCOL, octets[offset:end], now)

    def _is_for_us(self, header: bytes, *, looped: bool) -> bool:
        source, destination = header[12:16], header[16:20]
        if self._addresses.is_own(destination):
            martian = is_multicast(source) or self._addresses.is_broadcast(source)
            if looped:
                return True
            if not (martian or is_loopback(source) or self._addresses.is_own(source)):
                if len(self._welcome) >= WELCOME_MAX:
                    self._welcome.clear()
                self._welcome[header[12:20]] = None
                return True
            self._drops[DropReason.IP_MARTIAN] += 1
            return False
        if looped and is_loopback(destination):
            return True
        if header[9] == ipv4.PROTOCOL_UDP and self._addresses.is_broadcast(destination):
            return True
        self._drops[DropReason.IP_NOT_FOR_US] += 1
        return False

    def _receive_unusual(self, octets: bytes, now: float, *, looped: bool) -> None:
        """Take a packet with options, which are tolerated and removed, or refuse it."""
        view = ipv4.Ipv4View(octets)
        try:
            header = ipv4.Ipv4.parse(view)
        except MalformedPacket:
            self._drops[DropReason.IP_MALFORMED] += 1
            return
        payload = bytes(view.payload)
        fixed = octets[1:2] + (ipv4.HEADER_OCTETS + header.payload_length).to_bytes(2, "big")
        bare = b"\x45" + fixed + octets[4:10] + bytes(2) + octets[12:20]
        field = checksum.of(bare).to_bytes(2, "big")
        self.receive(bare[:10] + field + bare[12:] + payload, 0, now, looped=looped)

    def _receive_fragment(self, packet: bytes, now: float) -> None:
        whole = self._reassembly.add(packet, now)
        self._timers.schedule(self._reassembly, self._reassembly.deadline())
        if whole is not None:
            receiver = self._receivers.get(whole[9])
            if receiver is not None:
                receiver(whole, 0, len(whole), now)
