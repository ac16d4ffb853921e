"""A pod, or a host of its own: a TCP/IP stack at the end of a wire."""

from __future__ import annotations

import math
import random
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface

from netstack.host import Host
from netstack.tcp.settings import TcpSettings
from nodeagent.datapath.devices import OVERLAY_MTU
from simulator.link import Link
from simulator.world import World


class Pod:
    """A host in the world; what it says goes *up* its wire."""

    def __init__(
        self,
        world: World,
        name: str,
        address: IPv4Interface,
        *,
        address6: IPv6Interface | None = None,
        gateway: IPv4Address | None,
        tcp: TcpSettings,
        up: Link,
    ) -> None:
        self.name, self.up, self.alive = name, up, True
        self._world = world
        self.timer_at = math.inf
        self.host = Host(
            mac=b"\x0a\x58" + address.ip.packed,
            address=address,
            address6=address6,
            gateway=gateway,
            mtu=OVERLAY_MTU,
            rng=random.Random(world.rng.getrandbits(64)),
            tcp=tcp,
        )
        self.wake()

    def wake(self) -> None:
        """Say that the stack may have something to send."""
        self._world.touch(self)

    def receive(self, packets: list[tuple[int, bytes]], now: float) -> None:
        """Take frames that have come down the wire."""
        if self.alive:
            self.host.receive_frames([octets for _, octets in packets], now)
            self.wake()

    def pump(self, now: float) -> None:
        """Send what the stack has to say."""
        if self.alive:
            for frame in self.host.frames_to_send():
                self.up.offer(frame, now)

    def deadline(self) -> float:
        return self.host.deadline() if self.alive else math.inf

    def handle_deadline(self, now: float) -> None:
        if self.alive:
            self.host.handle_deadline(now)
            self.wake()
