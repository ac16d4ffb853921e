"""The pod's interface as programs like `ip`, `ping` and `netstat` see it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from ipaddress import ip_address, ip_interface

from netdev.probing import Probing
from netstack import socket_table
from netstack.addresses import IpAddress
from podruntime.cri import NetworkConfig
from podruntime.sandbox.interface import NetworkInterface
from podruntime.sandbox.ping_socket import PingSocket, PingSockets


class PodNetwork:
    """Facts and ping sockets."""

    def __init__(
        self, config: NetworkConfig, interface: NetworkInterface, rng: random.Random
    ) -> None:
        self.name = "eth0"
        self.mac, self.mtu = config.mac, config.mtu
        addresses = (config.address, config.address6)
        self.interfaces = tuple(ip_interface(text) for text in addresses if text)
        gateways = (config.gateway, config.gateway6)
        self.gateways = tuple(ip_address(text) for text in gateways if text)
        self._interface, self._pings = interface, PingSockets(interface, rng)
        self._probing = Probing(interface.host, interface.now, interface.flush)

    def listening(self) -> list[tuple[str, str, int]]:
        """Return protocol, address and port of what is open."""
        tcp = [each.local for each in self._interface.host.tcp.listeners()]
        udp = [each.local for each in self._interface.udp_sockets]
        return [
            *(("tcp", str(address), port) for address, port in tcp),
            *(("udp", str(address), port) for address, port in udp),
        ]

    def sockets(self) -> list[dict[str, object]]:
        """Return the pod's sockets, rows of `netstack.socket_table`."""
        return socket_table.sockets(self._interface.host, self._interface.now())

    def neighbours(self) -> list[tuple[str, str, str]]:
        """Return address, MAC and state of every neighbour that the stack knows."""
        host = self._interface.host
        return [
            (str(ip_address(each.address)), (each.mac or b"").hex(":"), each.state.name)
            for table in (host.neighbours, host.neighbours6)
            for each in table.entries()
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

    def ping_socket(self, address: IpAddress) -> PingSocket:
        """Open a ping socket towards *address*; raises OSError when there are too many."""
        return self._pings.open(address)

    async def probe(self, params: Mapping[str, object]) -> dict[str, object]:
        """Send probes and return their answers; raises ValueError or OSError."""
        return await self._probing.probe(params)
