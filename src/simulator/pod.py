"""A pod, or a host of its own: a TCP/IP stack at the end of a wire."""

from __future__ import annotations

import math
import random
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from netstack.host import Host
from netstack.tcp.settings import TcpSettings
from nodeagent.datapath.devices import OVERLAY_MTU
from simulator import offloaded
from simulator.link import FRAMES, Link
from simulator.world import World


def pod_mac(address: IPv4Interface) -> bytes:
    """Return the MAC of the pod with this address, as CNI's bridge has it."""
    return b"\x0a\x58" + address.ip.packed


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
        gateway6: IPv6Address | None = None,
        versions: tuple[int, ...] = (4,),
        offload: bool = False,
        tcp: TcpSettings,
        up: Link,
    ) -> None:
        """*address* makes the MAC, even where a pod's *versions* of IP are without IPv4."""
        self.name, self.up, self.alive = name, up, True
        self._world = world
        self.timer_at = math.inf
        self.host = Host(
            mac=pod_mac(address),
            address=address if 4 in versions else None,
            address6=address6 if 6 in versions else None,
            gateway=gateway if 4 in versions else None,
            gateway6=gateway6 if 6 in versions else None,
            mtu=OVERLAY_MTU,
            rng=random.Random(world.rng.getrandbits(64)),
            tcp=tcp,
        )
        self.host.offload = offload
        self.wake()

    def wake(self) -> None:
        """Say that the stack may have something to send."""
        self._world.touch(self)

    def receive(self, packets: list[tuple[int, bytes]], now: float) -> None:
        """Take frames that have come down the wire."""
        if self.alive:
            for channel, frames in offloaded.runs(packets):
                self.host.receive_frames(frames, now, partial=bool(channel))
            self.wake()

    def pump(self, now: float) -> None:
        """Send what the stack has to say."""
        if self.alive:
            offload = self.host.offload
            for frame in self.host.frames_to_send():
                channel = offloaded.channel_of(frame) if offload else FRAMES
                self.up.offer(frame, now, channel=channel)

    def deadline(self) -> float:
        return self.host.deadline() if self.alive else math.inf

    def handle_deadline(self, now: float) -> None:
        if self.alive:
            self.host.handle_deadline(now)
            self.wake()
