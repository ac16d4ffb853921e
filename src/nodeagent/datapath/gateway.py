"""Where the emulated network meets this machine's own.

Inwards: a NodePort is a real listener on the node's transport address. What connects to it becomes
a connection of *the host* (`host_address`), a second stack outside the node, to its
InternalIP:nodePort, of IPv6 where the port is none of IPv4; it enters by eth0 and meets every hook
that a packet from outside meets.
Outwards: a connection that a pod makes to a control-plane host's API server port ends in the same
outside stack and goes on as a kernel connection; if nobody listens there, the pod's connection is
reset (the outside stack has already accepted it by then, so it is not "refused"). `Dialling` says
which address of this machine stands for such a host, and from which the connection comes.

A port that cannot be bound is reported by `state` and tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from componentbase.clock import Clock
from componentbase.tasks import Tasks
from netdev.transport_map import TransportMap
from netstack.addresses import Endpoint, IpAddress
from netstack.ip_host import IpHost
from netstack.tcp.connection import TcpConnection
from netstack.tcp.listener import TcpListener
from nodeagent.datapath.splice import Splice
from nodeagent.datapath.udp_gateway import UdpGateway

_RETRY_S: Final = 1.0
_DIAL_TIMEOUT_S: Final = 10.0
_BACKLOG: Final = 512
API_SERVER_PORT: Final = 6443

PortKey = tuple[str, int]  # Protocol, port.


@dataclass(frozen=True, slots=True)
class Dialling:
    """How control-plane hosts are dialled for pods."""

    networks: TransportMap
    source: str  # "": the kernel chooses.


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node is: what carries it on this machine, and its InternalIPs."""

    transport: IPv4Address
    internal_ip: IPv4Address
    internal_ip6: IPv6Address | None


@dataclass(slots=True)
class _Listener:
    """A NodePort: listening, or the reason why not."""

    version: int = 4  # Of the addresses that it leads to.
    server: asyncio.Server | UdpGateway | None = None
    error: str = ""
    failures: int = 0


class Gateway:
    """NodePort listeners and the way to the API server, on the stack *outside*."""

    def __init__(
        self,
        outside: IpHost,
        place: Place,
        dialling: Dialling,
        clock: Clock,
        kick: Callable[[], None],
    ) -> None:
        self._outside, self._dialling, self._place = outside, dialling, place
        self._bind = str(place.transport)
        self._clock, self._kick = clock, kick
        self._listeners: dict[PortKey, _Listener] = {}
        self._tasks = Tasks()
        self._changed = asyncio.Event()

    def start(self, control_plane: Iterable[IpAddress]) -> None:
        """Begin to serve; *control_plane* are the hosts that pods may reach the API server at."""
        self._tasks.spawn(self._keep_listening(), name="NodePort listeners", essential=True)
        for address in control_plane:
            listener = self._outside.tcp_listen(address, API_SERVER_PORT)
            listener.on_ready = lambda address=address, listener=listener: self._egress(
                address, listener
            )

    async def serve(self) -> None:
        """Wait for ever; raises what ended the keeper of the listeners, if anything does."""
        await self._tasks.wait()

    async def close(self) -> None:
        """Close every listener."""
        await self._tasks.close()
        for listener in self._listeners.values():
            if listener.server is not None:
                listener.server.close()
        self._listeners.clear()

    def set_ports(self, wanted: Mapping[PortKey, int]) -> None:
        """Listen at exactly these ports, each for the addresses of one version of IP."""
        changed = [key for key, each in self._listeners.items() if wanted.get(key) != each.version]
        for key in changed:
            server = self._listeners.pop(key).server
            if server is not None:
                server.close()
        for key, version in wanted.items():
            self._listeners.setdefault(key, _Listener(version))
        self._changed.set()

    def state(self, protocol: str, port: int) -> Mapping[str, object]:
        """Return whether the port is listened at, as `frontend_list` shows it."""
        listener = self._listeners.get((protocol, port), _Listener())
        return {"listening": listener.server is not None, "error": listener.error}

    @property
    def bind_failures(self) -> int:
        return sum(listener.failures for listener in self._listeners.values())

    @property
    def udp_drops(self) -> int:
        servers = [listener.server for listener in self._listeners.values()]
        return sum(server.drops for server in servers if isinstance(server, UdpGateway))

    async def _keep_listening(self) -> None:
        while True:
            self._changed.clear()
            missing = [key for key, each in self._listeners.items() if each.server is None]
            for key in missing:
                await self._listen(key)
            failed = any(each.server is None for each in self._listeners.values())
            try:
                async with asyncio.timeout(_RETRY_S if failed else None):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _listen(self, key: PortKey) -> None:
        protocol, port = key
        server: asyncio.Server | UdpGateway
        listener = self._listeners.get(key)
        if listener is None:
            return
        try:
            if protocol == "UDP":
                ends = self._ends(port, listener.version)
                server = UdpGateway(self._outside, ends, self._clock, self._kick)
                server.start(self._bind)
            else:
                server = await asyncio.get_running_loop().create_server(
                    lambda: _Ingress(self, port, listener.version),
                    self._bind,
                    port,
                    backlog=_BACKLOG,
                )
        except OSError as error:
            listener.error = f"cannot bind {self._bind}:{port}: {error.strerror or error}"
            listener.failures += 1
            return
        if self._listeners.get(key) is not listener:
            server.close()  # No longer wanted.
            return
        listener.server, listener.error = server, ""

    def connect(self, port: int, version: int) -> TcpConnection:
        """Connect from outside to this node's *port*; raises OSError."""
        local, remote = self._ends(port, version)
        return self._outside.tcp_connect(remote, self._clock(), local=local)

    def _ends(self, port: int, version: int) -> tuple[Endpoint, Endpoint]:
        """Return from where and to where what comes for *port* goes."""
        place, outside = self._place, self._outside
        if version == 6 and place.internal_ip6 is not None and outside.addresses6:
            return (outside.address6, 0), (place.internal_ip6, port)
        return (outside.address, 0), (place.internal_ip, port)

    def new_splice(self) -> Splice:
        """Return a splice for a connection of the outside stack."""
        return Splice(self._clock, self._kick)

    def _egress(self, address: IpAddress, listener: TcpListener) -> None:
        while (connection := listener.accept()) is not None:
            self._tasks.spawn(self._dial(address, connection), name=f"egress to {address}")

    async def _dial(self, address: IpAddress, connection: TcpConnection) -> None:
        host = str(self._dialling.networks.transport(address))
        source = self._dialling.source
        splice = self.new_splice()
        try:
            async with asyncio.timeout(_DIAL_TIMEOUT_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: splice,
                    host,
                    API_SERVER_PORT,
                    local_addr=(source, 0) if source else None,
                )
        except OSError:  # TimeoutError is one.
            connection.abort(self._clock())
        else:
            splice.attach(connection)
        self._kick()


class _Ingress(Splice):
    """An accepted kernel connection, joined to a new connection from outside."""

    def __init__(self, gateway: Gateway, port: int, version: int) -> None:
        super().__init__(gateway._clock, gateway._kick)
        self._gateway, self._port, self._version = gateway, port, version

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        try:
            connection = self._gateway.connect(self._port, self._version)
        except OSError:  # No port of the outside host is free.
            transport.close()
            return
        self.attach(connection)
        self._kick()
