"""The pod's interface as programs like `ip`, `ping` and `netstat` see it."""

from __future__ import annotations

import asyncio
import random
from ipaddress import IPv4Address, IPv4Interface

from netstack.icmp import EchoReply
from podruntime.cri import NetworkConfig
from podruntime.sandbox.interface import NetworkInterface


class PodNetwork:
    """Facts and echo requests."""

    def __init__(
        self, config: NetworkConfig, interface: NetworkInterface, rng: random.Random
    ) -> None:
        self.name = "eth0"
        self.mac, self.mtu = config.mac, config.mtu
        self.address = IPv4Interface(config.address)
        self.gateway = IPv4Address(config.gateway) if config.gateway else None
        self._interface, self._rng = interface, rng
        self._pings: dict[tuple[int, int], asyncio.Future[float]] = {}
        interface.host.on_echo_reply = self._replied

    def listening(self) -> list[tuple[str, str, int]]:
        """Return protocol, address and port of what is open."""
        tcp = [each.local for each in self._interface.host.tcp.listeners()]
        udp = [each.local for each in self._interface.udp_sockets]
        return [
            *(("tcp", str(address), port) for address, port in tcp),
            *(("udp", str(address), port) for address, port in udp),
        ]

    def counters(self) -> dict[str, int]:
        """Return rx and tx packets and octets."""
        eth0 = self._interface
        return {
            "rx_packets": eth0.rx_packets,
            "rx_octets": eth0.rx_octets,
            "tx_packets": eth0.tx_packets,
            "tx_octets": eth0.tx_octets,
        }

    async def ping(
        self, address: IPv4Address, sequence: int, payload: bytes, timeout_s: float
    ) -> float | None:
        """Send an echo request; return the seconds until its reply, or None."""
        identifier = self._rng.getrandbits(16)
        reply: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._pings[identifier, sequence] = reply
        sent_at = self._interface.now()
        try:
            self._interface.host.ping(
                address, identifier=identifier, sequence=sequence, payload=payload, now=sent_at
            )
            self._interface.touch()
            async with asyncio.timeout(timeout_s):
                return await reply - sent_at
        except TimeoutError:
            return None
        finally:
            del self._pings[identifier, sequence]

    def _replied(self, reply: EchoReply) -> None:
        waiting = self._pings.get((reply.identifier, reply.sequence))
        if waiting is not None and not waiting.done():
            waiting.set_result(reply.received_at)
