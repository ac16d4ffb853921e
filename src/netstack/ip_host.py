"""A host that speaks IP: packets in, packets out; ICMP, UDP and TCP sockets above.

Either family may lack addresses; then only its loopback works. Neighbours are its owner's business:
`Host` puts Ethernet, ARP and neighbour discovery beneath, a node's datapath its own routes. The
host's own addresses, 127.0.0.0/8 and ::1 are delivered here; such packets wait until the next
batch, so `deadline` is in the past as long as there are some.

A batch is one call of `receive_packet`, `receive_packets` or `handle_deadline`. At its end every
socket that changed is woken once, then acknowledgments that nothing carried are sent.
"""

from __future__ import annotations

import errno
import random
from collections import Counter
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Final, TypedDict

from netstack import addresses, ip6_addresses
from netstack.addresses import AddressTable, Endpoint, IpAddress, from_octets, to_octets
from netstack.drops import DropReason
from netstack.icmp import EchoReply, IcmpEndpoint
from netstack.icmp6 import Icmp6Endpoint
from netstack.ip6_addresses import Ip6AddressTable
from netstack.ip6_input import Ip6Input
from netstack.ip6_output import Ip6Output
from netstack.ip_family import Family
from netstack.ip_input import IpInput
from netstack.ip_output import IpOutput, Link, Loopback
from netstack.ports import Ephemeral
from netstack.probe import Endpoints, Prober
from netstack.tcp.connection import TcpConnection
from netstack.tcp.layer import TcpLayer
from netstack.tcp.listener import TcpListener
from netstack.tcp.settings import TcpSettings
from netstack.timers import TimerHeap
from netstack.udp import UdpLayer, UdpSocket
from netstack.wakeups import Wakeups
from netstack.wire import ipv4, ipv6, udp
from netstack.wire.ipv6 import NextHeader

#: Packets to oneself that one batch handles; what remains makes the next batch due at once.
LOOPED_PER_BATCH_MAX: Final = 256

#: Packets or frames that wait for the owner to take them; more are dropped, as by a full qdisc.
TRANSMIT_QUEUE_MAX: Final = 16384

#: The first octet of IPv6 packets is not less, that of IPv4 packets is.
_VERSION6: Final = b"\x60"


class _WayOut(TypedDict):
    loopback: Loopback
    link: Link


class IpHost:
    """One host's IPv4, IPv6, ICMP, UDP and TCP."""

    def __init__(
        self,
        *,
        address: IPv4Interface | None,
        address6: IPv6Interface | None = None,
        mtu: int,
        rng: random.Random,
        source_for: Callable[[IPv4Address], IPv4Address | None] | None = None,
        source_for6: Callable[[IPv6Address], IPv6Address | None] | None = None,
        tcp: TcpSettings | None = None,
    ) -> None:
        """*source_for* chooses the source for a destination; None means that there is no route."""
        assert ipv4.HEADER_OCTETS + 48 <= mtu <= ipv4.PACKET_OCTETS_MAX
        assert address6 is None or mtu >= ipv6.MTU_MIN, "IPv6 needs an MTU of 1280"
        self.drops: Counter[DropReason] = Counter()
        self.mtu = mtu
        self.rng = rng
        self.timers = TimerHeap()
        self.wakeups = Wakeups()
        self._source_for, self._source_for6 = source_for, source_for6
        self._packets: list[bytes] = []
        self._loopback = Loopback(self.drops)
        self.addresses = AddressTable(address)
        way_out: _WayOut = {"loopback": self._loopback, "link": self._transmit}
        self.output = IpOutput(self.addresses, mtu=mtu, rng=rng, **way_out)
        self.icmp = IcmpEndpoint(self.output, self.addresses, self.drops)
        self.addresses6 = Ip6AddressTable(address6)
        self.output6 = Ip6Output(self.addresses6, mtu=mtu, rng=rng, **way_out)
        self.icmp6 = Icmp6Endpoint(self.output6, self.addresses6, self.drops)
        if source_for is not None:
            self.icmp.source_for = self._source_of_answers
        if source_for6 is not None:
            self.icmp6.source_for = self._source_of_answers6
        families = {4: self._family4(), 16: self._family6()}
        self.udp = UdpLayer(families=families, wakeups=self.wakeups, drops=self.drops, rng=rng)
        self.tcp = TcpLayer(
            settings=tcp or TcpSettings(),
            families=families,
            timers=self.timers,
            wakeups=self.wakeups,
            drops=self.drops,
            rng=rng,
        )
        self.input = IpInput(
            self.addresses,
            self.icmp,
            receivers={
                ipv4.PROTOCOL_TCP: self.tcp.receiver(families[4]),
                ipv4.PROTOCOL_UDP: self.udp.receiver(families[4]),
                ipv4.PROTOCOL_ICMP: self.icmp.receive,
            },
            timers=self.timers,
            drops=self.drops,
        )
        self.input6 = Ip6Input(
            self.addresses6,
            self.icmp6,
            receivers={
                NextHeader.TCP: self.tcp.receiver(families[16]),
                NextHeader.UDP: self.udp.receiver(families[16]),
                NextHeader.ICMPV6: self.icmp6.receive,
            },
            timers=self.timers,
            drops=self.drops,
        )
        endpoints: Endpoints = {4: self.icmp, 16: self.icmp6}
        self.prober = Prober(families, endpoints, udp=self.udp, tcp=self.tcp, rng=rng)

    # Packets and time.

    def receive_packet(self, packet: bytes | memoryview, now: float) -> None:
        """Take a packet that arrived."""
        self.receive_packets((packet,), now)

    def receive_packets(self, packets: Iterable[bytes | memoryview], now: float) -> None:
        """Take packets that arrived together; sockets are woken once."""
        receive, receive6 = self.input.receive, self.input6.receive
        for each in packets:
            packet = each if type(each) is bytes else bytes(each)
            if packet[:1] < _VERSION6:
                receive(packet, 0, now)
            else:
                receive6(packet, 0, now)
        self._end_batch(now)

    def packets_to_send(self) -> list[bytes]:
        """Return what is to be sent, in order, and forget it."""
        packets, self._packets = self._packets, []
        return packets

    def deadline(self) -> float:
        """Return when `handle_deadline` is due, `math.inf` when nothing is."""
        return min(self.timers.deadline(), self._loopback.since)

    def handle_deadline(self, now: float) -> None:
        """Do what is due at *now*."""
        self.timers.run(now)
        self._end_batch(now)

    # Addresses.

    @property
    def address(self) -> IPv4Address:
        """The first IPv4 address; there must be one."""
        return self.addresses.primary.ip

    @property
    def address6(self) -> IPv6Address:
        """The first IPv6 address; there must be one."""
        return self.addresses6.primary.ip

    def add_address(self, interface: IPv4Interface | IPv6Interface) -> None:
        if isinstance(interface, IPv6Interface):
            assert self.mtu >= ipv6.MTU_MIN, "IPv6 needs an MTU of 1280"
            self.addresses6.add(interface)
            self.input6.forget()
        else:
            self.addresses.add(interface)
            self.input.forget()

    def remove_address(self, address: IpAddress) -> None:
        """Forget *address* unless it is the last IPv4 one; connections that use it time out."""
        if isinstance(address, IPv6Address):
            self.addresses6.remove(address)
            self.input6.forget()
        else:
            self.addresses.remove(address)
            self.input.forget()

    def choose_ports(self, ephemeral: Ephemeral) -> None:
        """Choose ports of sockets that ask for none from *ephemeral* from now on."""
        self.tcp.ephemeral = self.udp.ephemeral = ephemeral

    def source_towards(self, destination: bytes) -> bytes:
        """Return the source for packets to *destination*; raises OSError ENETUNREACH."""
        table = self.addresses if len(destination) == 4 else self.addresses6
        asked = self._source_for if len(destination) == 4 else self._source_for6
        if asked is not None and not table.is_local(destination):
            return self._owners_choice(destination)
        source = table.source_for(destination)
        if source is None:
            raise unreachable(destination)
        return source

    def _owners_choice(self, destination: bytes) -> bytes:
        """Ask the owner, who knows the routes; raises OSError where there is none."""
        source: IpAddress | None = None
        if len(destination) == 4 and self._source_for is not None:
            source = self._source_for(IPv4Address(destination))
        elif self._source_for6 is not None:
            source = self._source_for6(IPv6Address(destination))
        if source is None:
            raise unreachable(destination)
        return source.packed

    def _source_of_answers(self, destination: bytes) -> bytes | None:
        assert self._source_for is not None
        source = self._source_for(IPv4Address(destination))
        return None if source is None else source.packed

    def _source_of_answers6(self, destination: bytes) -> bytes | None:
        assert self._source_for6 is not None
        source = self._source_for6(IPv6Address(destination))
        return None if source is None else source.packed

    # Sockets.

    def tcp_listen(
        self, address: IpAddress | None, port: int, *, backlog: int = 128, v6only: bool = False
    ) -> TcpListener:
        """Listen; port 0 chooses one. Raises OSError EADDRINUSE or EADDRNOTAVAIL.

        No address means all of both families, as `::` does unless *v6only* (IPV6_V6ONLY).
        """
        return self.tcp.listen((address, port), backlog, v6only=v6only)

    def tcp_connect(
        self,
        remote: Endpoint,
        now: float,
        *,
        local: tuple[IpAddress | None, int] | None = None,
    ) -> TcpConnection:
        """Begin a handshake. Raises OSError EADDRINUSE, EADDRNOTAVAIL or ENETUNREACH."""
        return self.tcp.connect(local or (None, 0), remote, now)

    def udp_bind(self, address: IpAddress | None, port: int, *, v6only: bool = False) -> UdpSocket:
        """Open a UDP socket; port 0 chooses one. Raises OSError EADDRINUSE or EADDRNOTAVAIL."""
        return self.udp.bind((address, port), v6only=v6only)

    def ping(
        self, address: IpAddress, *, identifier: int, sequence: int, payload: bytes, now: float
    ) -> None:
        """Send an echo request; `on_echo_reply` hears of the answer. Raises OSError."""
        destination = to_octets(address)
        endpoints = (self.source_towards(destination), destination)
        endpoint = self.icmp if len(destination) == 4 else self.icmp6
        endpoint.ping(endpoints, (identifier, sequence), payload, now)

    @property
    def on_echo_reply(self) -> Callable[[EchoReply], None] | None:
        return self.icmp.on_echo_reply

    @on_echo_reply.setter
    def on_echo_reply(self, callback: Callable[[EchoReply], None] | None) -> None:
        self.icmp.on_echo_reply = self.icmp6.on_echo_reply = callback

    # Inside.

    def _transmit(self, packet: bytes, now: float) -> None:
        if len(self._packets) >= TRANSMIT_QUEUE_MAX:
            self.drops[DropReason.TRANSMIT_QUEUE_FULL] += 1
        else:
            self._packets.append(packet)

    def _end_batch(self, now: float) -> None:
        if self._loopback.packets:
            self._receive_looped(now)
        self.wakeups.flush()
        self.tcp.flush_acknowledgments(now)
        self._loopback.note(now)

    def _receive_looped(self, now: float) -> None:
        looped = self._loopback.packets
        for _ in range(LOOPED_PER_BATCH_MAX):
            if not looped:
                break
            packet = looped.popleft()
            receive = self.input.receive if packet[0] < _VERSION6[0] else self.input6.receive
            receive(packet, 0, now, looped=True)

    def _family4(self) -> Family:
        return Family(
            any=addresses.ANY,
            address_octets=4,
            header_octets=ipv4.HEADER_OCTETS,
            addresses_at=12,
            datagram_octets_max=udp.PAYLOAD_OCTETS_MAX,
            mss_default=536,
            addresses=self.addresses,
            output=self.output,
            errors=self.icmp,
            source_towards=self.source_towards,
        )

    def _family6(self) -> Family:
        return Family(
            any=ip6_addresses.ANY,
            address_octets=16,
            header_octets=ipv6.HEADER_OCTETS,
            addresses_at=8,
            datagram_octets_max=udp.PAYLOAD6_OCTETS_MAX,
            mss_default=1220,
            addresses=self.addresses6,
            output=self.output6,
            errors=self.icmp6,
            source_towards=self.source_towards,
        )


def unreachable(destination: bytes) -> OSError:
    """Return the error for a destination that no route leads to."""
    return OSError(errno.ENETUNREACH, f"no route to {from_octets(destination)}")
