"""Two stacks on one event loop, joined by a wire in memory."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface

from componentbase.clock import monotonic
from netstack.host import Host
from podruntime.images.process import Octets
from podruntime.sandbox.interface import NetworkInterface
from podruntime.sandbox.loop import PodLoop
from podruntime.sandbox.owner import CURRENT, Owner
from podruntime.sandbox.resolver import Resolver
from podruntime.sandbox.sockets import PodSockets

SERVER = "10.244.1.2"
CLIENT = "10.244.1.3"
SERVER6 = "fd00:10:244:1::2"
CLIENT6 = "fd00:10:244:1::3"


class TwoPods:
    """A loop that can speak as either pod: `with pods.client:` switches."""

    def __init__(self, *, dual_stack: bool = False) -> None:
        self._dual_stack = dual_stack
        self.loop = PodLoop()
        self.files = {"/etc/hosts": "127.0.0.1 localhost\n10.244.1.2 web\n", "/etc/resolv.conf": ""}
        self.server_interface, self.server = self._pod(SERVER, 2)
        self.client_interface, self.client = self._pod(CLIENT, 3)
        self.dropping = False
        self._join(self.server_interface, self.client_interface)
        self._join(self.client_interface, self.server_interface)
        self.loop.sockets = self.server

    def _pod(self, address: str, last: int) -> tuple[NetworkInterface, PodSockets]:
        host = Host(
            mac=bytes([10, 88, 10, 244, 1, last]),
            address=IPv4Interface(f"{address}/24"),
            gateway=IPv4Address("10.244.1.1"),
            address6=IPv6Interface(f"fd00:10:244:1::{last}/64") if self._dual_stack else None,
            mtu=1450,
            rng=random.Random(last),
        )
        interface = NetworkInterface(host, self.loop, monotonic)
        files = self.files
        names = Resolver(lambda path: files.get(path, ""), random.Random(last), interface)
        return interface, PodSockets(self.loop, interface, names)

    def _join(self, one: NetworkInterface, other: NetworkInterface) -> None:
        def take(frames: list[bytes]) -> None:
            other.receive(frames, partial=True)
            other.drained()

        def carry(frames: list[bytes]) -> None:
            if not self.dropping:
                self.loop.call_soon(take, list(frames))

        one.attach(carry, offload=True)

    def use(self, sockets: PodSockets) -> None:
        """Make the loop's next calls those of the pod *sockets*."""
        self.loop.sockets = sockets

    def run(self, scenario: Callable[[TwoPods], Awaitable[None]], timeout_s: float = 30) -> None:
        """Run *scenario* to its end."""

        container = Owner({}, Octets(), Octets())

        async def bounded() -> None:
            CURRENT.set(container)
            async with asyncio.timeout(timeout_s):
                await scenario(self)
            CURRENT.set(None)
            container.release()  # What a scenario leaves open ends as a container's would.
            await asyncio.sleep(0.01)

        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(bounded())
        finally:
            self.server_interface.close()
            self.client_interface.close()
            asyncio.set_event_loop(None)
            self.loop.close()
