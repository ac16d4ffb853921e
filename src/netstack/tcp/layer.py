"""All TCP of a host: which connection a segment belongs to, ports, and answers to strangers."""

from __future__ import annotations

import errno
import random
import struct
from collections import Counter
from collections.abc import Callable
from typing import Final

from netstack import ports
from netstack.addresses import (
    ANY_FAMILY,
    UNSPECIFIED,
    Endpoint,
    IpAddress,
    bound_to,
    clash,
    from_octets,
    to_octets,
)
from netstack.drops import DropReason
from netstack.icmp import IcmpError
from netstack.ip_family import Families, Family, Receive
from netstack.tcp import handshake, receive, retransmit, teardown
from netstack.tcp.arrive import segment_arrives
from netstack.tcp.block import Tcb, TcpContext, near
from netstack.tcp.connection import TcpConnection
from netstack.tcp.isn import IsnGenerator
from netstack.tcp.listener import TcpListener
from netstack.tcp.segment import Segment, read
from netstack.tcp.settings import TcpSettings
from netstack.tcp.states import State
from netstack.tcp.syn_cookies import SynCookies
from netstack.timers import TimerHeap
from netstack.token_bucket import TokenBucket
from netstack.wakeups import Wakeups
from netstack.wire import MalformedPacket, checksum, ipv4, tcp

#: Connections of one host in any state.
CONNECTIONS_MAX: Final = 65536
#: net.ipv4.tcp_challenge_ack_limit, as it was when it had a default.
CHALLENGES_PER_S: Final = 1000.0

_SYN, _ACK, _RST = (int(tcp.Flag[name]) for name in ("SYN", "ACK", "RST"))
_QUOTED: Final = struct.Struct("!4sI")  # Ports and sequence number, what ICMP quotes at least.


class TcpLayer:
    """Connections and listeners of one host."""

    def __init__(
        self,
        *,
        settings: TcpSettings,
        families: Families,
        timers: TimerHeap,
        wakeups: Wakeups,
        drops: Counter[DropReason],
        rng: random.Random,
    ) -> None:
        self.context = TcpContext(
            settings=settings,
            families=families,
            timers=timers,
            wakeups=wakeups,
            drops=drops,
            rng=rng,
            isn=IsnGenerator(rng),
            cookies=SynCookies(rng),
            challenges=TokenBucket(per_s=CHALLENGES_PER_S, burst=CHALLENGES_PER_S),
        )
        self._families = families
        self._connections = self.context.connections
        self._listeners: dict[tuple[bytes, int], TcpListener] = {}
        self._drops = drops
        self.ephemeral = ports.EPHEMERAL
        #: Hears of segments of no connection, with their key, while there are probes.
        self.on_stray: Callable[[bytes, Segment], None] | None = None

    # What users ask for.

    def listen(
        self, local: tuple[IpAddress | None, int], backlog: int, *, v6only: bool = False
    ) -> TcpListener:
        address, port = bound_to(local[0], v6only=v6only), local[1]
        ports.check(port)
        if any(address) and not self._families[len(address)].addresses.is_local(address):
            raise OSError(errno.EADDRNOTAVAIL, "cannot assign requested address")
        if port == 0:
            port = ports.pick(
                self.context.rng,
                lambda each: not self._is_listening(address, each),
                self.ephemeral,
            )
        if self._is_listening(address, port):
            raise ports.in_use(port)
        shown = (local[0] or UNSPECIFIED, port)
        listener = TcpListener(self, self.context, address, shown, backlog)
        self._listeners[address, port] = listener
        return listener

    def connect(
        self, local: tuple[IpAddress | None, int], remote: Endpoint, now: float
    ) -> TcpConnection:
        address, port = bound_to(local[0]), local[1]
        destination = to_octets(remote[0])
        ports.check(port)
        ports.check(remote[1])
        if len(self._connections) >= CONNECTIONS_MAX:
            raise OSError(errno.ENOBUFS, "too many connections")
        source = self._source(address, destination)
        key = self._free_key(source, port, (destination, remote[1]))
        connection = TcpConnection(self.context, key)
        self._connections[key] = connection
        handshake.connect(connection, self.context.isn.choose(key, now), now)
        return connection

    def forget_listener(self, listener: TcpListener) -> None:
        self._listeners.pop((listener.address, listener.local[1]), None)

    def connections(self) -> list[Tcb]:
        return list(self._connections.values())

    def listeners(self) -> list[TcpListener]:
        return list(self._listeners.values())

    # What arrives.

    def receiver(self, family: Family) -> Receive:
        """Return what takes packets of *family* whose header has no options."""
        drops, connections, unusual = self._drops, self._connections, self._receive_unusual
        context = self.context
        is_local, address_octets = family.addresses.is_local, family.address_octets
        header_octets, addresses_at = family.header_octets, family.addresses_at
        key_end = header_octets + 4

        def receive(octets: bytes, offset: int, end: int, now: float) -> None:
            start = offset + header_octets
            if end - start < tcp.HEADER_OCTETS:
                drops[DropReason.TCP_MALFORMED] += 1
                return
            key = octets[offset + addresses_at : offset + key_end]
            tcb = connections.get(key)
            # What we say to ourselves carries no checksum; nobody else speaks from our addresses.
            # Where the link has vouched for frames it has not for what was put together of
            # fragments, which begins at 0.
            if not (context.partial and offset) and not (
                tcb.loopback if tcb else is_local(key[:address_octets])
            ):
                # Addresses and segment are contiguous: all but two fields of what is summed.
                summed = octets[offset + addresses_at : end]
                if (ipv4.PROTOCOL_TCP + end - start + checksum.add(summed)) % 0xFFFF:
                    drops[DropReason.TCP_CHECKSUM] += 1
                    return
            if tcb is None or tcb.state is State.TIME_WAIT:
                unusual(tcb, key, octets, (start, end), now)
            else:
                segment_arrives(tcb, octets, start, end, now)

        return receive

    def flush_acknowledgments(self, now: float) -> None:
        """The batch is over: acknowledge what nothing acknowledged yet."""
        context = self.context
        if context.owing:
            owing, context.owing = context.owing, {}
            for tcb in owing:
                receive.settle(tcb, now)

    def error_arrives(self, error: IcmpError, now: float) -> None:
        """Heed an ICMP error that quotes a segment of ours (RFC 5461, RFC 5927)."""
        quoted_ports, number = _QUOTED.unpack_from(error.payload)
        key = error.destination + error.source + quoted_ports[2:4] + quoted_ports[0:2]
        tcb = self._connections.get(key)
        if tcb is None or not tcb.snd_una <= near(number, tcb.snd_una) <= tcb.snd_nxt:
            return  # Not about anything that is on its way: perhaps forged.
        if error.mtu is not None:
            tcb.family.output.path_mtu.lower(error.destination, error.mtu, now)
            if tcb.state not in (State.SYN_SENT, State.SYN_RECEIVED):
                retransmit.shrink(tcb, now)
        elif tcb.state in (State.SYN_SENT, State.SYN_RECEIVED):
            teardown.give_up(tcb, error.errno)

    # Inside.

    def _receive_unusual(
        self, tcb: Tcb | None, key: bytes, octets: bytes, bounds: tuple[int, int], now: float
    ) -> None:
        """Take a segment of no connection (RFC 9293 §3.10.7.1, 2), or of one in TIME-WAIT."""
        try:
            segment = read(octets, *bounds)
        except MalformedPacket:
            self._drops[DropReason.TCP_MALFORMED] += 1
            return
        if tcb is not None:
            if not _may_follow(tcb, segment):
                segment_arrives(tcb, octets, *bounds, now)
                return
            teardown.expire(tcb)
        if self.on_stray is not None:
            self.on_stray(key, segment)
        if segment.flags & _RST:
            return
        listener = self._listener(key)
        if listener is None:
            self._drops[DropReason.TCP_NO_SOCKET] += 1
            self._refuse(key, segment, now)
        elif segment.flags & (_SYN | _ACK) == _SYN:
            self._syn_arrives(listener, key, segment, now)
        elif segment.flags & _ACK:
            resumed = None
            if len(self._connections) < CONNECTIONS_MAX:
                resumed = listener.cookie_arrives(key, segment, now)
            if resumed is not None:
                segment_arrives(resumed, octets, *bounds, now)
            elif not listener.full:
                self._refuse(key, segment, now)

    def _syn_arrives(self, listener: TcpListener, key: bytes, segment: Segment, now: float) -> None:
        if len(self._connections) >= CONNECTIONS_MAX:
            self._drops[DropReason.TCP_SYN_QUEUE_FULL] += 1
        else:
            listener.syn_arrives(key, segment, self.context.isn.choose(key, now), now)

    def _refuse(self, key: bytes, segment: Segment, now: float) -> None:
        if segment.flags & _ACK:
            sequence, acknowledgment, flags = segment.acknowledgment, 0, tcp.Flag.RST
        else:
            sequence, acknowledgment = 0, segment.end & 0xFFFFFFFF
            flags = tcp.Flag.RST | tcp.Flag.ACK
        size = len(key) - 4 >> 1
        source, destination = key[size:-4], key[:size]
        reset = tcp.Tcp(
            source_port=int.from_bytes(key[-2:], "big"),
            destination_port=int.from_bytes(key[-4:-2], "big"),
            sequence=sequence,
            acknowledgment=acknowledgment,
            flags=flags,
        ).emit(from_octets(source), from_octets(destination))
        output = self._families[size].output
        output.send(ipv4.PROTOCOL_TCP, (source, destination), reset, now)

    def _listener(self, key: bytes) -> TcpListener | None:
        """Return who listens where *key* leads to: at the address before at any."""
        size = len(key) - 4 >> 1
        listeners, port = self._listeners, int.from_bytes(key[-2:], "big")
        return (
            listeners.get((key[size:-4], port))
            or listeners.get((self._families[size].any, port))
            or listeners.get((ANY_FAMILY, port))
        )

    def is_free(self, port: int) -> bool:
        """Tell whether *port* is nobody's, whatever the address."""
        local = port.to_bytes(2, "big")
        return not (
            any(key.endswith(local) for key in self._connections)
            or any(each == port for _, each in self._listeners)
        )

    def _is_listening(self, address: bytes, port: int) -> bool:
        return any(each == port and clash(there, address) for there, each in self._listeners)

    def _source(self, address: bytes, destination: bytes) -> bytes:
        """Return where a connection to *destination* comes from; *address* if that names any."""
        family = self._families[len(destination)]
        addresses = family.addresses
        if addresses.is_group(destination):
            raise OSError(errno.ENETUNREACH, "TCP has one peer")
        source = family.source_towards(destination)
        if any(address):
            if len(address) != len(destination) or not addresses.is_local(address):
                raise OSError(errno.EADDRNOTAVAIL, "cannot assign requested address")
            source = address
        if addresses.is_loopback(source) and not addresses.is_local(destination):
            raise OSError(errno.EINVAL, "a loopback address does not leave this host")
        return source

    def _free_key(self, source: bytes, port: int, remote: tuple[bytes, int]) -> bytes:
        """Return the key of a new connection; choose its port if that is 0."""

        def key_of(candidate: int) -> bytes:
            return remote[0] + source + remote[1].to_bytes(2, "big") + candidate.to_bytes(2, "big")

        if port == 0:
            wildcards = (ANY_FAMILY, self._families[len(source)].any)
            port = ports.pick(
                self.context.rng,
                lambda each: self._is_free(key_of(each), each, wildcards),
                self.ephemeral,
            )
        elif key_of(port) in self._connections:
            raise ports.in_use(port)
        return key_of(port)

    def _is_free(self, key: bytes, port: int, wildcards: tuple[bytes, bytes]) -> bool:
        if key in self._connections:
            return False
        listeners = self._listeners
        return (wildcards[0], port) not in listeners and (wildcards[1], port) not in listeners


def _may_follow(tcb: Tcb, segment: Segment) -> bool:
    """Tell whether a SYN may open the connection anew that is in TIME-WAIT (RFC 6191, RFC 1122)."""
    if segment.flags & (_SYN | _ACK | _RST) != _SYN:
        return False
    stamps = segment.options.timestamps
    newer = stamps is not None and tcb.timestamps and (
        0 < (stamps[0] - tcb.ts_recent) & 0xFFFFFFFF < 1 << 31
    )  # fmt: skip
    return bool(newer) or near(segment.sequence, tcb.rcv_nxt) > tcb.rcv_nxt
