"""Where the emulated network meets this machine's own.

Inwards: a NodePort is a real listener on the node's transport address, a load balancer's address
one that several nodes share. What connects to it becomes a connection of *the host*
(`host_address`) or of another client (`external`), a second stack outside the node, to the address
that the listener stands for; it enters by eth0 and meets every hook that a packet from outside
meets.
Outwards: a connection that a pod makes to a control-plane host's API server port ends in the same
outside stack and goes on as a kernel connection; if nobody listens there, the pod's connection is
reset (the outside stack has already accepted it by then, so it is not "refused"). `Dialling` says
which address of this machine stands for such a host, and from which the connection comes.

A port that cannot be bound is reported by `state` and tried again; one that is root's is listened
for elsewhere (`privileged_ports`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_interface
from typing import Final

from componentbase.clock import Clock
from componentbase.tasks import Tasks
from netdev.transport_map import TransportMap
from netstack.addresses import Endpoint, IpAddress
from netstack.ip_host import IpHost
from netstack.tcp.connection import TcpConnection
from netstack.tcp.listener import TcpListener
from netstack.udp import UdpSocket
from nodeagent.datapath import privileged_ports
from nodeagent.datapath.doorway import Doorway
from nodeagent.datapath.external import ExternalMap
from nodeagent.datapath.listening import Destination, ListenKey
from nodeagent.datapath.splice import Splice
from nodeagent.datapath.udp_gateway import UdpGateway

_RETRY_S: Final = 1.0
_DIAL_TIMEOUT_S: Final = 10.0
API_SERVER_PORT: Final = 6443


@dataclass(frozen=True, slots=True)
class Dialling:
    """How control-plane hosts are dialled for pods."""

    networks: TransportMap
    source: str  # "": the kernel chooses.


@dataclass(slots=True)
class _Listener:
    """A socket of this machine: listening, or the reason why not."""

    destination: Destination
    server: Doorway | UdpGateway | None = None
    port: int = 0  # Where it listens, which is another port where that one is root's.
    error: str = ""
    failures: int = 0

    def close(self) -> None:
        if self.server is not None:
            self.server.close()
            self.server, self.port = None, 0


class Gateway:
    """Listeners of this machine and the way to the API server, on the stack *outside*."""

    def __init__(
        self,
        outside: IpHost,
        external: ExternalMap,
        dialling: Dialling,
        clock: Clock,
        kick: Callable[[], None],
    ) -> None:
        self._outside, self._dialling, self._external = outside, dialling, external
        self._clock, self._kick = clock, kick
        self._listeners: dict[ListenKey, _Listener] = {}
        self._clients: set[IpAddress] = set()  # Addresses that the outside stack has for others.
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
            listener.close()
        self._listeners.clear()

    def set_sockets(self, wanted: Mapping[ListenKey, Destination]) -> None:
        """Listen at exactly these sockets."""
        changed = [
            key for key, each in self._listeners.items() if wanted.get(key) != each.destination
        ]
        for key in changed:
            self._listeners.pop(key).close()
        for key, each in self._listeners.items():
            if each.port != key.port and replace(key, port=each.port) in wanted:
                each.close()  # Who wants that port itself has it.
        for key, destination in wanted.items():
            self._listeners.setdefault(key, _Listener(destination))
        self._changed.set()

    def state(self, key: ListenKey | None) -> Mapping[str, object]:
        """Return whether a socket is listened at, as `frontend_list` shows it."""
        if key is None:
            return {"listening": False, "at": 0, "error": "no address of this machine carries it"}
        listener = self._listeners.get(key)
        if listener is None:
            return {"listening": False, "at": 0, "error": ""}
        listening = listener.server is not None
        return {"listening": listening, "at": listener.port, "error": listener.error}

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

    async def _listen(self, key: ListenKey) -> None:
        listener = self._listeners.get(key)
        if listener is None:
            return
        try:
            server, port = await self._open(key, listener.destination)
        except OSError as error:
            listener.error = f"cannot bind {key.address}:{key.port}: {error.strerror or error}"
            listener.failures += 1
            return
        if self._listeners.get(key) is not listener:
            server.close()  # No longer wanted.
            return
        listener.server, listener.port, listener.error = server, port, ""

    async def _open(
        self, key: ListenKey, destination: Destination
    ) -> tuple[Doorway | UdpGateway, int]:
        """Listen at *key*, or where who is not root may; raises OSError."""
        try:
            return await self._open_at(key, destination), key.port
        except PermissionError:
            port = privileged_ports.instead_of(key.port)
            other = None if port is None else replace(key, port=port)
            if other is None or other in self._listeners:
                raise
            return await self._open_at(other, destination), other.port

    async def _open_at(self, key: ListenKey, destination: Destination) -> Doorway | UdpGateway:
        remote = destination.endpoint
        if key.protocol == "UDP":
            datagrams = UdpGateway(self, remote, self._clock, self._kick)
            datagrams.start(str(key.address), key.port, shared=destination.shared)
            return datagrams
        server = Doorway(lambda: _Ingress(self, remote), self._tasks)
        await server.open(str(key.address), key.port, shared=destination.shared)
        return server

    def connect(self, peer: str, remote: Endpoint) -> TcpConnection:
        """Connect from outside, as who *peer* is inside, to *remote*; raises OSError."""
        local = (self._client(peer, remote), 0)
        return self._outside.tcp_connect(remote, self._clock(), local=local)

    def bind_datagrams(self, peer: str, remote: Endpoint) -> UdpSocket:
        """Return a socket outside that speaks for *peer* to *remote*; raises OSError."""
        return self._outside.udp_bind(self._client(peer, remote), 0)

    def _client(self, peer: str, remote: Endpoint) -> IpAddress:
        """Return whose address a program of this machine at *peer* has inside."""
        outside, version = self._outside, remote[0].version
        client = self._external.client(IPv4Address(peer), version)
        if client is None:
            return outside.address if version == 4 else outside.address6
        if client not in self._clients:
            self._clients.add(client)
            outside.add_address(ip_interface(client))
        return client

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

    def __init__(self, gateway: Gateway, remote: Endpoint) -> None:
        super().__init__(gateway._clock, gateway._kick)
        self._gateway, self._remote = gateway, remote

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        try:
            # A connection that ended while it waited has no peer any more.
            connection = self._gateway.connect(peer[0], self._remote) if peer else None
        except OSError:  # No port of the outside host is free.
            connection = None
        if connection is None:
            transport.close()
            return
        self.attach(connection)
        self._kick()
