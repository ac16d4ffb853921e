"""A host that speaks IPv4: packets in, packets out; ICMP, UDP and TCP sockets above.

Neighbours are its owner's business: `Host` puts Ethernet and ARP beneath, a node's datapath its own
routes. The host's own addresses and 127.0.0.0/8 are delivered here; such packets wait until the
next batch, so `deadline` is in the past as long as there are some.

A batch is one call of `receive_packet`, `receive_packets` or `handle_deadline`. At its end every
socket that changed is woken once, then acknowledgments that nothing carried are sent.
"""

from __future__ import annotations

import errno
import random
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Interface
from typing import Final

from netstack.addresses import ANY, AddressTable, is_loopback, is_multicast
from netstack.drops import DropReason
from netstack.icmp import EchoReply, IcmpEndpoint
from netstack.ip_fragment import Reassembly
from netstack.ip_output import IpOutput
from netstack.tcp.connection import TcpConnection
from netstack.tcp.layer import TcpLayer
from netstack.tcp.listener import TcpListener
from netstack.tcp.settings import TcpSettings
from netstack.timers import TimerHeap
from netstack.udp import UdpLayer, UdpSocket
from netstack.wakeups import Wakeups
from netstack.wire import MalformedPacket, checksum, ipv4
from netstack.wire.icmp import Type, Unreachable, echo

#: Packets to oneself that one batch handles; what remains makes the next batch due at once.
LOOPED_PER_BATCH_MAX: Final = 256

#: Packets or frames that wait for the owner to take them; more are dropped, as by a full qdisc.
TRANSMIT_QUEUE_MAX: Final = 16384

#: Pairs of addresses that are remembered as good; all are forgotten at this number.
_WELCOME_MAX: Final = 4096

#: Version and header length, total length, flags and offset, protocol.
_FIXED: Final = struct.Struct("!BxHxxHxB")

#: Takes octets, where the IP header begins, where the packet ends, and now.
Receive = Callable[[bytes, int, int, float], None]


class IpHost:
    """One host's IPv4, ICMP, UDP and TCP."""

    def __init__(
        self,
        *,
        address: IPv4Interface,
        mtu: int,
        rng: random.Random,
        source_for: Callable[[IPv4Address], IPv4Address | None] | None = None,
        tcp: TcpSettings | None = None,
    ) -> None:
        """*source_for* chooses the source for a destination; None means that there is no route."""
        assert ipv4.HEADER_OCTETS + 48 <= mtu <= ipv4.PACKET_OCTETS_MAX
        self.drops: Counter[DropReason] = Counter()
        self.mtu = mtu
        self.rng = rng
        self.addresses = AddressTable(address)
        self.timers = TimerHeap()
        self.wakeups = Wakeups()
        self._source_for = source_for
        self._packets: list[bytes] = []
        #: Sources with destinations that `_is_for_us` found good.
        self._welcome: dict[bytes, None] = {}
        self.output = IpOutput(
            self.addresses, mtu=mtu, rng=rng, link=self._transmit, drops=self.drops
        )
        self.icmp = IcmpEndpoint(self.output, self.addresses, self.drops)
        self._reassembly = Reassembly(self.drops, self.icmp.reassembly_timed_out)
        self.udp = UdpLayer(
            output=self.output,
            icmp=self.icmp,
            addresses=self.addresses,
            source_towards=self.source_towards,
            wakeups=self.wakeups,
            drops=self.drops,
            rng=rng,
        )
        self.tcp = TcpLayer(
            settings=tcp or TcpSettings(),
            output=self.output,
            addresses=self.addresses,
            source_towards=self.source_towards,
            timers=self.timers,
            wakeups=self.wakeups,
            drops=self.drops,
            rng=rng,
        )
        self._receivers: dict[int, Receive] = {
            ipv4.PROTOCOL_TCP: self.tcp.receive,
            ipv4.PROTOCOL_UDP: self.udp.receive,
            ipv4.PROTOCOL_ICMP: self.icmp.receive,
        }
        self.icmp.on_error[ipv4.PROTOCOL_TCP] = self.tcp.error_arrives
        self.icmp.on_error[ipv4.PROTOCOL_UDP] = self.udp.error_arrives

    # Packets and time.

    def receive_packet(self, packet: bytes | memoryview, now: float) -> None:
        """Take a packet that arrived."""
        self.receive_packets((packet,), now)

    def receive_packets(self, packets: Iterable[bytes | memoryview], now: float) -> None:
        """Take packets that arrived together; sockets are woken once."""
        for packet in packets:
            self._receive(packet if type(packet) is bytes else bytes(packet), 0, now)
        self._end_batch(now)

    def packets_to_send(self) -> list[bytes]:
        """Return what is to be sent, in order, and forget it."""
        packets, self._packets = self._packets, []
        return packets

    def deadline(self) -> float:
        """Return when `handle_deadline` is due, `math.inf` when nothing is."""
        return min(self.timers.deadline(), self.output.looped_since)

    def handle_deadline(self, now: float) -> None:
        """Do what is due at *now*."""
        self.timers.run(now)
        self._end_batch(now)

    # Addresses.

    @property
    def address(self) -> IPv4Address:
        return self.addresses.primary.ip

    def add_address(self, interface: IPv4Interface) -> None:
        self.addresses.add(interface)
        self._welcome.clear()

    def remove_address(self, address: IPv4Address) -> None:
        """Forget *address* unless it is the last; connections that use it time out."""
        self.addresses.remove(address)
        self._welcome.clear()

    def source_towards(self, destination: bytes) -> bytes:
        """Return the source for packets to *destination*; raises OSError ENETUNREACH."""
        if self._source_for is not None and not self.addresses.is_local(destination):
            source = self._source_for(IPv4Address(destination))
            if source is None:
                raise unreachable(destination)
            return source.packed
        return self.addresses.source_for(destination)

    # Sockets.

    def tcp_listen(
        self, address: IPv4Address | None, port: int, *, backlog: int = 128
    ) -> TcpListener:
        """Listen; port 0 chooses one. Raises OSError EADDRINUSE or EADDRNOTAVAIL."""
        return self.tcp.listen(address.packed if address else ANY, port, backlog)

    def tcp_connect(
        self,
        remote: tuple[IPv4Address, int],
        now: float,
        *,
        local: tuple[IPv4Address | None, int] | None = None,
    ) -> TcpConnection:
        """Begin a handshake. Raises OSError EADDRINUSE, EADDRNOTAVAIL or ENETUNREACH."""
        address, port = local or (None, 0)
        near = (address.packed if address else ANY, port)
        return self.tcp.connect(near, (remote[0].packed, remote[1]), now)

    def udp_bind(self, address: IPv4Address | None, port: int) -> UdpSocket:
        """Open a UDP socket; port 0 chooses one. Raises OSError EADDRINUSE or EADDRNOTAVAIL."""
        return self.udp.bind(address.packed if address else ANY, port)

    def ping(
        self, address: IPv4Address, *, identifier: int, sequence: int, payload: bytes, now: float
    ) -> None:
        """Send an echo request; `on_echo_reply` hears of the answer. Raises OSError."""
        endpoints = (self.source_towards(address.packed), address.packed)
        self.icmp.ping(endpoints, echo(Type.ECHO_REQUEST, identifier, sequence, payload), now)

    @property
    def on_echo_reply(self) -> Callable[[EchoReply], None] | None:
        return self.icmp.on_echo_reply

    @on_echo_reply.setter
    def on_echo_reply(self, callback: Callable[[EchoReply], None] | None) -> None:
        self.icmp.on_echo_reply = callback

    # Inside.

    def _transmit(self, packet: bytes, now: float) -> None:
        if len(self._packets) >= TRANSMIT_QUEUE_MAX:
            self.drops[DropReason.TRANSMIT_QUEUE_FULL] += 1
        else:
            self._packets.append(packet)

    def _end_batch(self, now: float) -> None:
        looped = self.output.looped
        for _ in range(LOOPED_PER_BATCH_MAX):
            if not looped:
                break
            self._receive(looped.popleft(), 0, now, looped=True)
        self.wakeups.flush()
        self.tcp.flush_acknowledgments(now)
        self.output.note_looped(now)

    def _receive(self, octets: bytes, offset: int, now: float, *, looped: bool = False) -> None:
        """Take the packet that begins at *offset* (Linux ip_rcv)."""
        if len(octets) - offset < ipv4.HEADER_OCTETS:
            self.drops[DropReason.IP_MALFORMED] += 1
            return
        version, total_length, fragment, protocol = _FIXED.unpack_from(octets, offset)
        end = offset + total_length
        if version != 0x45 or end > len(octets) or total_length < ipv4.HEADER_OCTETS:
            self._receive_unusual(octets[offset:], now, looped=looped)
            return
        header = octets[offset : offset + ipv4.HEADER_OCTETS]
        if int.from_bytes(header, "little") % 0xFFFF:
            self.drops[DropReason.IP_CHECKSUM] += 1
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
            self.drops[DropReason.IP_PROTOCOL_UNKNOWN] += 1
            self.icmp.unreachable(Unreachable.PROTOCOL, octets[offset:end], now)

    def _is_for_us(self, header: bytes, *, looped: bool) -> bool:
        source, destination = header[12:16], header[16:20]
        if self.addresses.is_own(destination):
            martian = is_multicast(source) or self.addresses.is_broadcast(source)
            if looped:
                return True
            if not (martian or is_loopback(source) or self.addresses.is_own(source)):
                if len(self._welcome) >= _WELCOME_MAX:
                    self._welcome.clear()
                self._welcome[header[12:20]] = None
                return True
            self.drops[DropReason.IP_MARTIAN] += 1
            return False
        if looped and is_loopback(destination):
            return True
        if header[9] == ipv4.PROTOCOL_UDP and self.addresses.is_broadcast(destination):
            return True
        self.drops[DropReason.IP_NOT_FOR_US] += 1
        return False

    def _receive_unusual(self, octets: bytes, now: float, *, looped: bool) -> None:
        """Take a packet with options, which are tolerated and removed, or refuse it."""
        view = ipv4.Ipv4View(octets)
        try:
            header = ipv4.Ipv4.parse(view)
        except MalformedPacket:
            self.drops[DropReason.IP_MALFORMED] += 1
            return
        payload = bytes(view.payload)
        fixed = octets[1:2] + (ipv4.HEADER_OCTETS + header.payload_length).to_bytes(2, "big")
        bare = b"\x45" + fixed + octets[4:10] + bytes(2) + octets[12:20]
        field = checksum.of(bare).to_bytes(2, "big")
        self._receive(bare[:10] + field + bare[12:] + payload, 0, now, looped=looped)

    def _receive_fragment(self, packet: bytes, now: float) -> None:
        whole = self._reassembly.add(packet, now)
        self.timers.schedule(self._reassembly, self._reassembly.deadline())
        if whole is not None:
            receiver = self._receivers.get(whole[9])
            if receiver is not None:
                receiver(whole, 0, len(whole), now)


def unreachable(destination: bytes) -> OSError:
    """Return the error for a destination that no route leads to."""
    return OSError(errno.ENETUNREACH, f"no route to {IPv4Address(destination)}")
