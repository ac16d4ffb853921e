"""Ports that are root's, for who is not: in a child of this process that has given root up."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address

from netdev.transport_map import TransportMap
from nodeagent.datapath.external import ExternalMap
from nodeagent.datapath.gateway import Dialling, Gateway
from nodeagent.datapath.listening import Destination, ListenKey
from nodeagent.datapath.privileged_ports import listened_for_at

INSIDE = IPv4Address("192.168.65.7")


def sockets(prefix: str, *ports: int) -> dict[ListenKey, Destination]:
    address = IPv4Address(f"{prefix}.77.7")
    return {
        ListenKey(protocol, address, port): Destination((INSIDE, port), shared=protocol == "TCP")
        for port in ports
        for protocol in ("TCP", "UDP")
    }


async def settled(gateway: Gateway, wanted) -> list[tuple[bool, int]]:
    """Return whether, and where, each of *wanted* is listened for."""
    gateway.set_sockets(wanted)
    async with asyncio.timeout(10):
        while not all(state["listening"] or state["error"] for state in map(gateway.state, wanted)):
            await asyncio.sleep(0.01)
    return [(state["listening"], state["at"]) for state in map(gateway.state, wanted)]


async def scenario(prefix: str) -> None:
    external = ExternalMap({"192.168.65.0/24": f"{prefix}.77.0/24"})
    dialling = Dialling(TransportMap({}), "")
    gateway = Gateway(None, external, dialling, lambda: 0.0, lambda: None)
    gateway.start(())
    try:
        assert await settled(gateway, sockets(prefix, 80)) == [(True, 10080)] * 2
        both = await settled(gateway, sockets(prefix, 80, 10080))
        assert both == [(False, 0)] * 2 + [(True, 10080)] * 2
        (first, *_) = sockets(prefix, 80)
        assert "Permission denied" in gateway.state(first)["error"]
    finally:
        await gateway.close()


def test_a_port_of_roots_is_listened_for_elsewhere_unless_that_is_somebodys(
    prefix: str, as_nobody
) -> None:
    assert as_nobody(lambda: asyncio.run(scenario(prefix))) == 0


def test_who_asks_finds_it(as_nobody) -> None:
    def look() -> None:
        assert (listened_for_at(80), listened_for_at(8080)) == (10080, 8080)

    assert as_nobody(look) == 0
    assert listened_for_at(1024) == 1024
