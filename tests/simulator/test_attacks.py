"""What attacks may cost: bounds that hold at every packet of a flood, and who is spared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Final

import pytest

from netstack.ip_fragment import PACKETS_MAX
from netstack.tcp.listener import SYN_QUEUE_MAX
from nodeagent.datapath.neighbours import ENTRIES_MAX
from nodeagent.datapath.packet import IPV6_FROM
from simulator.link import VXLAN, Link
from simulator.plan import Converse, Event, Flood, Plan, RouteLoop
from simulator.simulation import Outcome, Simulation

CONNTRACK_MAX: Final = 200
STRANGERS: Final = IPv4Network("203.0.112.0/23")
TALK: Final = Converse(at=0.5, client="pod-2", server="pod-1", up=3000, down=3000)


def flood(kind: str, *, victim: str = "pod-1", packets: int = 600) -> Flood:
    return Flood(at=0.1, until=1.1, kind=kind, attacker="pod-0", victim=victim, packets=packets)


def attacked(
    *events: Event,
    nodes: int = 2,
    versions: tuple[int, ...] = (4,),
    see: Callable[[Simulation, Link, int, bytes], None],
) -> Outcome:
    """Run a world in which *events* happen beside an honest conversation of each version."""
    talks = [replace(TALK, version=version) for version in versions]
    plan = Plan(
        nodes=nodes,
        pods=4,
        versions=versions,
        conntrack_max=CONNTRACK_MAX,
        events=(*talks, *events),
    )

    def watch(link: Link, channel: int, octets: bytes, _now: float) -> None:
        see(simulation, link, channel, bytes(octets))

    simulation = Simulation(plan, 1, watch=watch)
    outcome = simulation.run()
    assert not outcome.violations
    assert outcome.succeeded == outcome.conversations
    return outcome


@pytest.mark.parametrize("kind", ["own-syn", "datagram", "question", "fragment"])
def test_a_flood_through_a_node_fills_its_tables_and_no_more(kind: str) -> None:
    most = {"conntrack": 0, "fragments": 0}

    def see(simulation: Simulation, *_: object) -> None:
        for kernel in simulation.cluster.kernels.values():
            most["conntrack"] = max(most["conntrack"], len(kernel.node.conntrack))
            most["fragments"] = max(most["fragments"], len(kernel.node.fragments))

    attacked(flood(kind), see=see)
    assert most["conntrack"] <= CONNTRACK_MAX
    assert most["fragments"] <= PACKETS_MAX
    full, bound = ("fragments", PACKETS_MAX) if kind == "fragment" else ("conntrack", CONNTRACK_MAX)
    assert most[full] == bound


def test_a_syn_flood_fills_the_queue_of_handshakes_and_no_more() -> None:
    most = 0

    def see(simulation: Simulation, *_: object) -> None:
        nonlocal most
        host = simulation.cluster.pods["pod-1"].host
        most = max(most, len(host.tcp.context.connections))

    attacked(flood("neighbour-syn", packets=1200), nodes=0, see=see)
    assert SYN_QUEUE_MAX <= most <= SYN_QUEUE_MAX + 2


def test_spoofed_sources_do_not_leave_their_node() -> None:
    crossed = []

    def see(_: Simulation, link: Link, channel: int, octets: bytes) -> None:
        if link.name.startswith("node-") and channel == VXLAN:
            crossed.append(IPv4Address(octets[8 + 14 + 12 : 8 + 14 + 16]))

    outcome = attacked(flood("syn"), flood("martian"), see=see)
    assert crossed
    assert not [source for source in crossed if source in STRANGERS]
    assert outcome.drops["ip-rpfilter"] + outcome.drops["ip-martian"] > 1000


def test_what_goes_in_circles_ends_with_its_ttl() -> None:
    crossed = 0

    def see(_: Simulation, link: Link, channel: int, octets: bytes) -> None:
        nonlocal crossed
        if link.name.startswith("node-") and channel == VXLAN:
            crossed += octets[8 + 14 + 16 : 8 + 14 + 20] == IPv4Address("10.244.200.5").packed

    circle = RouteLoop(at=0.1, until=2.0, nodes=(1, 2), sender="pod-0", packets=5)
    outcome = attacked(circle, see=see)
    assert outcome.drops["ttl-exceeded"] == 5
    assert 5 * 60 < crossed <= 5 * 64


def test_frames_of_many_macs_fill_the_bridges_memory_and_no_more() -> None:
    most = 0

    def see(simulation: Simulation, *_: object) -> None:
        nonlocal most
        most = max(most, len(simulation.cluster.kernels[1].node.bridge.fdb))

    attacked(flood("stranger-mac", packets=1000), see=see)
    assert 100 < most <= 4096


# The same over IPv6.


def neighbours6(simulation: Simulation) -> int:
    """Return how many IPv6 neighbours the node knows that knows most."""
    tables = [kernel.node.neighbours.entries() for kernel in simulation.cluster.kernels.values()]
    return max(sum(address >= IPV6_FROM for (_, address), _ in table) for table in tables)


@pytest.mark.parametrize("kind", ["scan6", "names6"])
def test_a_network_too_large_to_remember_fills_a_nodes_neighbours_and_no_more(kind: str) -> None:
    """Whether it is scanned or invented; nobody else suffers, and most is forgotten later."""
    most = 0

    def see(simulation: Simulation, *_: object) -> None:
        nonlocal most
        most = max(most, neighbours6(simulation))

    attacked(flood(kind, packets=1300), versions=(4, 6), see=see)
    assert ENTRIES_MAX - 100 < most <= ENTRIES_MAX


def test_fragments_and_datagrams_over_ipv6_fill_a_nodes_tables_and_no_more() -> None:
    most = {"conntrack": 0, "fragments": 0}

    def see(simulation: Simulation, *_: object) -> None:
        for kernel in simulation.cluster.kernels.values():
            most["conntrack"] = max(most["conntrack"], len(kernel.node.conntrack))
            most["fragments"] = max(most["fragments"], len(kernel.node.fragments))

    attacked(flood("fragment6"), flood("datagram6"), versions=(4, 6), see=see)
    assert most == {"conntrack": CONNTRACK_MAX, "fragments": PACKETS_MAX}


def test_spoofed_sources_of_ipv6_do_not_leave_their_node() -> None:
    crossed = []

    def see(_: Simulation, link: Link, channel: int, octets: bytes) -> None:
        if link.name.startswith("node-") and channel == VXLAN and octets[20:22] == b"\x86\xdd":
            crossed.append(octets[8 + 14 + 8 : 8 + 14 + 12])

    outcome = attacked(flood("syn6"), versions=(4, 6), see=see)
    assert crossed
    assert b"\x20\x01\x0d\xb8" not in crossed
    assert outcome.drops["ip-rpfilter"] >= 600
