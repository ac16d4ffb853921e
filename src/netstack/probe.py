"""Probes: single packets with a hop limit of their own, and what comes back (traceroute(8)).

An echo request, a datagram or a SYN leaves from a *flow*: an identifier or a source port that
nobody else of this host has while the flow is open. What comes back is an echo reply, a datagram,
SYN+ACK or RST, or an ICMP error of either family that quotes the probe; it tells who sent it.
A handshake is never finished: the stack answers SYN+ACK with RST, since it knows of no
connection, as Linux does for the raw SYN of `traceroute -T`.

While no flow is open the host pays nothing for this; the hooks are only set while one is.
"""

from __future__ import annotations

import enum
import errno
import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from netstack import ports
from netstack.addresses import IpAddress, from_octets, to_octets
from netstack.icmp import EchoReply, IcmpEndpoint, IcmpError, OnError
from netstack.icmp6 import Icmp6Endpoint
from netstack.ip_family import Families, Family
from netstack.tcp.layer import TcpLayer
from netstack.tcp.segment import Segment
from netstack.udp import UdpLayer, UdpSocket
from netstack.wire import icmp, icmpv6, ipv4
from netstack.wire import tcp as tcp_wire
from netstack.wire.ipv6 import NextHeader

#: Flows of one host at a time.
FLOWS_MAX: Final = 64
#: Identifiers from here on are flows'; those below are ping sockets'.
IDENTIFIER_FIRST: Final = 0xC000
_IDENTIFIER_LAST: Final = 0xFFFF
HOP_LIMIT_MAX: Final = 255
#: What a SYN of a probe offers, as traceroute's does.
_WINDOW: Final = 5840
_ECHO_HEADER: Final = struct.Struct("!BBHHH")
_PORTS: Final = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class _Words:
    """What a version of ICMP calls things."""

    protocol: int
    request: int
    time_exceeded: int
    port_unreachable: tuple[int, int]


#: By the octets of an address.
_WORDS: Final = {
    4: _Words(
        ipv4.PROTOCOL_ICMP,
        icmp.Type.ECHO_REQUEST,
        icmp.Type.TIME_EXCEEDED,
        (icmp.Type.UNREACHABLE, icmp.Unreachable.PORT),
    ),
    16: _Words(
        NextHeader.ICMPV6,
        icmpv6.Type.ECHO_REQUEST,
        icmpv6.Type.TIME_EXCEEDED,
        (icmpv6.Type.UNREACHABLE, icmpv6.Unreachable.PORT),
    ),
}


class Method(enum.StrEnum):
    """What a probe is."""

    ICMP = "icmp"
    UDP = "udp"
    TCP = "tcp"


class Kind(enum.StrEnum):
    """What came back."""

    REPLY = "reply"
    REFUSED = "refused"
    TIME_EXCEEDED = "time-exceeded"
    UNREACHABLE = "unreachable"
    TOO_BIG = "too-big"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for one probe: *mark* is the probe's sequence number or destination port."""

    mark: int
    kind: Kind
    address: IpAddress
    code: int = 0
    ttl: int | None = None
    mtu: int | None = None


OnAnswer = Callable[[Answer], None]
#: ICMP of both families by the octets of their addresses.
Endpoints = Mapping[int, IcmpEndpoint | Icmp6Endpoint]
_Key = tuple[Method, int]


class Flow:
    """An identifier or a source port towards one address; close it, or use it in `with`."""

    def __init__(
        self, prober: Prober, method: Method, *, number: int, endpoints: tuple[bytes, bytes]
    ) -> None:
        self.method, self.number = method, number
        self.source, self.destination = endpoints
        self.on_answer: OnAnswer | None = None
        self._prober = prober

    def __enter__(self) -> Flow:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._prober.close(self)

    def send(self, mark: int, hop_limit: int, payload: bytes, now: float) -> int:
        """Send a probe; return its sequence number if it is a SYN, else 0. Raises OSError."""
        if not 1 <= hop_limit <= HOP_LIMIT_MAX:
            raise ValueError(f"a hop limit is 1 to {HOP_LIMIT_MAX}, not {hop_limit}")
        ports.check(mark)
        return self._prober.send(self, mark, hop_limit, payload, now)


class Prober:
    """All flows of one host."""

    def __init__(
        self,
        families: Families,
        endpoints: Endpoints,
        *,
        udp: UdpLayer,
        tcp: TcpLayer,
        rng: random.Random,
    ) -> None:
        """*families* and *endpoints* are known by the octets of their addresses."""
        self._families, self._endpoints, self._rng = families, endpoints, rng
        self._udp, self._tcp = udp, tcp
        self._flows: dict[_Key, Flow] = {}
        self._sockets: dict[_Key, UdpSocket] = {}
        for octets, endpoint in endpoints.items():
            endpoint.on_error[_WORDS[octets].protocol] = self._echo_failed
            endpoint.on_error[ipv4.PROTOCOL_UDP] = self._before(Method.UDP, udp.error_arrives)
            endpoint.on_error[ipv4.PROTOCOL_TCP] = self._before(Method.TCP, tcp.error_arrives)

    def open(
        self,
        method: Method,
        destination: IpAddress,
        *,
        number: int = 0,
        source: IpAddress | None = None,
    ) -> Flow:
        """Return a flow; *number* 0 chooses one.

        Raises OSError: EADDRINUSE, EADDRNOTAVAIL, ENETUNREACH.
        """
        ports.check(number)
        octets = to_octets(destination)
        family = self._families[len(octets)]
        if family.addresses.is_group(octets):
            raise OSError(errno.ENETUNREACH, "a probe goes to one address")
        if len(self._flows) >= FLOWS_MAX:
            raise OSError(errno.EADDRINUSE, "too many probes at once")
        endpoints = (_source(family, octets, source), octets)
        socket = None
        if method is Method.UDP:
            socket = self._udp.bind((from_octets(endpoints[0]), number))
            number = socket.local[1]
        else:
            number = self._free(method, number)
        flow = self._flows[method, number] = Flow(self, method, number=number, endpoints=endpoints)
        if socket is not None:
            self._sockets[method, number] = socket
            socket.on_ready = partial(self._datagrams_arrive, flow, socket)
        self._listen()
        return flow

    def close(self, flow: Flow) -> None:
        """Drop what comes for *flow* from now on."""
        key = flow.method, flow.number
        self._flows.pop(key, None)
        socket = self._sockets.pop(key, None)
        if socket is not None:
            socket.close()
        self._listen()

    def send(self, flow: Flow, mark: int, hop_limit: int, payload: bytes, now: float) -> int:
        """Send one packet of *flow*; see there."""
        endpoints = flow.source, flow.destination
        if flow.method is Method.ICMP:
            endpoint = self._endpoints[len(flow.destination)]
            endpoint.ping(endpoints, (flow.number, mark), payload, now, hop_limit=hop_limit)
            return 0
        if flow.method is Method.UDP:
            socket = self._sockets[flow.method, flow.number]
            self._udp.send(socket, payload, (flow.destination, mark), now, hop_limit=hop_limit)
            return 0
        syn = tcp_wire.Tcp(
            source_port=flow.number,
            destination_port=mark,
            sequence=self._rng.getrandbits(32),
            flags=tcp_wire.Flag.SYN,
            window=_WINDOW,
        )
        octets = syn.emit(from_octets(flow.source), from_octets(flow.destination))
        output = self._families[len(flow.destination)].output
        output.send(ipv4.PROTOCOL_TCP, endpoints, octets, now, hop_limit=hop_limit)
        return syn.sequence

    # What comes back.

    def _listen(self) -> None:
        """Hear replies and strays as long as there is a flow that may get some."""
        methods = {method for method, _ in self._flows}
        self._tcp.on_stray = self._segment_arrives if Method.TCP in methods else None
        for endpoint in self._endpoints.values():
            endpoint.on_probe_reply = self._echo_arrives if Method.ICMP in methods else None

    def _echo_arrives(self, reply: EchoReply) -> None:
        self._answer(
            Method.ICMP,
            reply.identifier,
            Answer(mark=reply.sequence, kind=Kind.REPLY, address=reply.address, ttl=reply.ttl),
        )

    def _segment_arrives(self, key: bytes, segment: Segment) -> None:
        size = len(key) - 4 >> 1
        port = int.from_bytes(key[-2:], "big")
        flow = self._flows.get((Method.TCP, port))
        if flow is None or (flow.destination, flow.source) != (key[:size], key[size:-4]):
            return
        kind = Kind.REFUSED if segment.flags & tcp_wire.Flag.RST else Kind.REPLY
        mark = int.from_bytes(key[-4:-2], "big")
        self._answer(
            Method.TCP, port, Answer(mark=mark, kind=kind, address=from_octets(key[:size]))
        )

    def _datagrams_arrive(self, flow: Flow, socket: UdpSocket) -> None:
        while (datagram := socket.receive()) is not None:
            address, port = datagram.remote
            if to_octets(address) == flow.destination:
                answer = Answer(mark=port, kind=Kind.REPLY, address=address)
                self._answer(flow.method, flow.number, answer)

    def _echo_failed(self, error: IcmpError, _now: float) -> None:
        """Heed an error about an ICMP packet of ours, if that is a probe."""
        kind, _, _, identifier, mark = _ECHO_HEADER.unpack_from(error.payload)
        if kind == _WORDS[len(error.destination)].request:
            self._failed(Method.ICMP, identifier, mark, error)

    def _before(self, method: Method, heed: OnError) -> OnError:
        """Return what hears of errors before *heed* does."""

        def error_arrives(error: IcmpError, now: float) -> None:
            port, mark = _PORTS.unpack_from(error.payload)
            if (method, port) in self._flows:
                self._failed(method, port, mark, error)
            heed(error, now)

        return error_arrives

    def _failed(self, method: Method, number: int, mark: int, error: IcmpError) -> None:
        flow = self._flows.get((method, number))
        if flow is None or (flow.source, flow.destination) != (error.source, error.destination):
            return
        answer = Answer(
            mark=mark,
            kind=_kind(error),
            address=from_octets(error.offender),
            code=error.code,
            mtu=error.mtu,
        )
        self._answer(method, number, answer)

    def _answer(self, method: Method, number: int, answer: Answer) -> None:
        flow = self._flows.get((method, number))
        if flow is not None and flow.on_answer is not None:
            flow.on_answer(answer)

    def _free(self, method: Method, number: int) -> int:
        """Return *number*, or one that is nobody's; raises OSError."""
        if number:
            is_taken = (method, number) in self._flows
            if is_taken or (method is Method.TCP and not self._tcp.is_free(number)):
                raise ports.in_use(number)
            return number
        if method is Method.TCP:
            return ports.pick(
                self._rng,
                lambda each: (method, each) not in self._flows and self._tcp.is_free(each),
                self._tcp.ephemeral,
            )
        span = _IDENTIFIER_LAST - IDENTIFIER_FIRST + 1
        start = self._rng.randrange(span)
        candidates = (IDENTIFIER_FIRST + (start + step) % span for step in range(span))
        return next(each for each in candidates if (method, each) not in self._flows)


def _source(family: Family, destination: bytes, source: IpAddress | None) -> bytes:
    """Return where probes come from; raises OSError where that cannot be."""
    if source is None:
        return family.source_towards(destination)
    octets = to_octets(source)
    if len(octets) != len(destination) or not family.addresses.is_local(octets):
        raise OSError(errno.EADDRNOTAVAIL, f"{source} is no address of this host")
    return octets


def _kind(error: IcmpError) -> Kind:
    if error.mtu is not None:
        return Kind.TOO_BIG
    words = _WORDS[len(error.destination)]
    if error.type == words.time_exceeded:
        return Kind.TIME_EXCEEDED
    is_port = (error.type, error.code) == words.port_unreachable
    return Kind.REFUSED if is_port else Kind.UNREACHABLE
