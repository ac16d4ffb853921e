"""The scenarios: each draws a plan from chance. What is held constant is what the name promises.

Runs are small on purpose: thousands of small worlds find more than one large one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from netdev.impairment import Impairment
from netstack.tcp.settings import TcpSettings
from simulator.plan import (
    Chat,
    Converse,
    DatapathRestarts,
    EndpointLeaves,
    Event,
    Flood,
    Impair,
    NodeDies,
    Plan,
    RouteLoop,
)

Planner = Callable[[random.Random], Plan]

_SIZES: Final = (0, 1, 100, 1400, 3000, 20_000)
_SIZES_OFFLOADED: Final = (0, 3000, 20_000, 20_000, 100_000, 300_000)


def _wire(rng: random.Random, *, loss_max: float = 0.05, corrupt: bool = True) -> Impairment:
    """Return a wire that is bad in some of the ways there are."""
    delay_s = rng.choice((0.0001, 0.001, 0.01, 0.05))
    jitter_s = rng.choice((0.0, 0.0, delay_s / 2))
    bursts = rng.random() < 0.15
    return Impairment(
        loss_gemodel=(0.01, 0.3) if bursts else (),
        delay_s=delay_s,
        jitter_s=jitter_s,
        loss=0.0 if bursts else rng.choice((0.0, 0.01, loss_max)),
        duplicate=rng.choice((0.0, 0.0, 0.02)),
        reorder=rng.choice((0.0, 0.0, 0.05)),
        corrupt=rng.choice((0.0, 0.0, 0.01)) if corrupt else 0.0,
        rate_bit_s=rng.choice((0, 0, 10_000_000, 100_000_000)),
        limit=rng.choice((50, 1000)),
    )


def _converse(rng: random.Random, client: str, server: str, *, within_s: float) -> Converse:
    return Converse(
        at=rng.uniform(0, within_s),
        client=client,
        server=server,
        up=rng.choice(_SIZES),
        down=rng.choice(_SIZES),
        sip=rng.choice((0, 0, 0, 0, 700)),
    )


def _pod(rng: random.Random, pods: int, *, other: str = "") -> str:
    return rng.choice([name for name in map("pod-{}".format, range(pods)) if name != other])


def _services(rng: random.Random, pods: int, count: int) -> tuple[tuple[str, ...], ...]:
    names = [f"pod-{index}" for index in range(pods)]
    return tuple(
        tuple(sorted(rng.sample(names, rng.randint(min(2, pods), pods)))) for _ in range(count)
    )


def _talk(
    rng: random.Random, *, pods: int, services: int, count: int, within_s: float
) -> tuple[Event, ...]:
    """Return conversations and chats among pods and with services."""
    events: list[Event] = []
    for _ in range(count):
        client = _pod(rng, pods)
        server = _pod(rng, pods, other=client)
        if services and rng.random() < 0.7:
            server = f"service-{rng.randrange(services)}"
            if rng.random() < 0.2:
                client = "outside-1"
        events.append(_converse(rng, client, server, within_s=within_s))
    if rng.random() < 0.5:
        client = _pod(rng, pods)
        server = f"service-{rng.randrange(services)}" if services else _pod(rng, pods, other=client)
        octets = rng.choice((0, 50, 1400, 4000))
        events.append(
            Chat(
                at=rng.uniform(0, within_s),
                client=client,
                server=server,
                datagrams=5,
                octets=octets,
            )
        )
    return tuple(events)


def wire(rng: random.Random) -> Plan:
    """Two or three hosts on an Ethernet that is bad in every way; TCP must manage."""
    pods = rng.randint(2, 3)
    return Plan(
        nodes=0,
        pods=pods,
        veth=_wire(rng),
        tcp=_tcp(rng),
        events=_talk(rng, pods=pods, services=0, count=4, within_s=1.0),
    )


def wire6(rng: random.Random) -> Plan:
    """The same over IPv6."""
    return _of(wire(rng), rng, (6,))


def _of(plan: Plan, rng: random.Random, versions: tuple[int, ...]) -> Plan:
    """Return *plan* for hosts that have these *versions* of IP, and talk over any of them."""
    events = tuple(
        replace(event, version=rng.choice(versions))
        if isinstance(event, Converse | Chat)
        else event
        for event in plan.events
    )
    return replace(plan, versions=versions, events=events)


def marked(rng: random.Random) -> Plan:
    """The same, where the Ethernet is busy and marks packets instead of losing them (ECN)."""
    plan = _of(wire(rng), rng, rng.choice(((4,), (6,))))
    tcp = replace(plan.tcp, ecn=rng.choice((1, 1, 1, 2)))
    return replace(plan, tcp=tcp, marks=rng.choice((0.02, 0.2, 1.0)))


def _tcp(rng: random.Random) -> TcpSettings:
    """Return settings with buffers from tiny to large, and without some extensions."""
    return TcpSettings(
        send_buffer_octets=rng.choice((2048, 65536, 1 << 20)),
        receive_buffer_octets=rng.choice((2048, 65536, 1 << 20)),
        timestamps=rng.random() < 0.8,
        sack=rng.random() < 0.8,
    )


def overlay(rng: random.Random) -> Plan:
    """Pods on two nodes, services, VXLAN between; the wire between the nodes is bad."""
    pods = rng.randint(3, 4)
    return Plan(
        nodes=2,
        pods=pods,
        services=_services(rng, pods, 2),
        underlay=_wire(rng),
        events=_talk(rng, pods=pods, services=2, count=4, within_s=1.0),
    )


def overlay6(rng: random.Random) -> Plan:
    """The same for pods without IPv4."""
    return _of(overlay(rng), rng, (6,))


def churn(rng: random.Random) -> Plan:
    """Endpoints leave and come back while clients come and go."""
    pods, services = 4, _services(rng, 4, 2)
    leaves = []
    for _ in range(3):
        service = rng.randrange(2)
        at = rng.uniform(0.2, 3)
        pod = rng.choice(services[service])
        leaves.append(
            EndpointLeaves(
                at=at, until=at + rng.uniform(0.1, 3), service=f"service-{service}", pod=pod
            )
        )
    talk = _talk(rng, pods=pods, services=2, count=5, within_s=4.0)
    underlay = _wire(rng, corrupt=False)
    return Plan(nodes=2, pods=pods, services=services, underlay=underlay, events=(*talk, *leaves))


def partition(rng: random.Random) -> Plan:
    """Wires between nodes fall silent, one way or both, or become very bad, and heal."""
    pods = 3
    faults = []
    for _ in range(rng.randint(1, 3)):
        source, target = rng.sample((1, 2, 3), 2)
        at = rng.uniform(0.1, 3)
        bad = Impairment(loss=rng.choice((1.0, 1.0, 0.4)), delay_s=0.001)
        until = at + rng.uniform(0.1, 8)
        ways = ((source, target), (target, source)) if rng.random() < 0.5 else ((source, target),)
        faults += [Impair(at=at, until=until, source=a, target=b, impairment=bad) for a, b in ways]
    talk = _talk(rng, pods=pods, services=1, count=4, within_s=4.0)
    return Plan(nodes=3, pods=pods, services=_services(rng, pods, 1), events=(*talk, *faults))


def failover(rng: random.Random) -> Plan:
    """Nodes die with everything on them, and come back empty."""
    pods, nodes = 4, rng.randint(2, 3)
    deaths = []
    for node in rng.sample(range(1, nodes + 1), rng.randint(1, nodes - 1)):
        at = rng.uniform(0.1, 3)
        deaths.append(NodeDies(at=at, until=at + rng.uniform(0.2, 6), node=node))
    talk = _talk(rng, pods=pods, services=2, count=5, within_s=5.0)
    return Plan(nodes=nodes, pods=pods, services=_services(rng, pods, 2), events=(*talk, *deaths))


def restart(rng: random.Random) -> Plan:
    """Datapaths restart with empty tables, while connections run across them."""
    pods = 4
    restarts = []
    for node in rng.sample((1, 2), rng.randint(1, 2)):
        at = rng.uniform(0.1, 2)
        restarts.append(DatapathRestarts(at=at, until=at + rng.uniform(0.05, 2), node=node))
    talk = _talk(rng, pods=pods, services=2, count=5, within_s=3.0)
    return Plan(nodes=2, pods=pods, services=_services(rng, pods, 2), events=(*talk, *restarts))


def everything(rng: random.Random) -> Plan:
    """All faults of the other scenarios, on three nodes."""
    parts = [planner(rng) for planner in (churn, partition, restart)]
    pods, services = 5, _services(rng, 5, 2)
    faults: list[Event] = []
    for part in parts:
        for event in part.events:
            if (
                isinstance(event, EndpointLeaves)
                and event.pod not in services[int(event.service.removeprefix("service-"))]
            ):
                continue
            if not isinstance(event, Converse | Chat):
                faults.append(event)
    at = rng.uniform(1, 3)
    faults.append(NodeDies(at=at, until=at + rng.uniform(0.5, 4), node=3))
    talk = _talk(rng, pods=pods, services=2, count=6, within_s=5.0)
    return Plan(
        nodes=3,
        pods=pods,
        services=services,
        underlay=_wire(rng, corrupt=False),
        events=(*talk, *faults),
    )


def dual(rng: random.Random) -> Plan:
    """All faults, with both versions of IP side by side."""
    return _of(everything(rng), rng, (4, 6))


def offload(rng: random.Random) -> Plan:
    """All faults, while checksums and cuts are put off; one of the nodes does not take part."""
    plan = _of(everything(rng), rng, rng.choice(((4,), (6,), (4, 6))))
    events = tuple(
        replace(event, up=rng.choice(_SIZES_OFFLOADED), down=rng.choice(_SIZES_OFFLOADED))
        if isinstance(event, Converse)
        else event
        for event in plan.events
    )
    return replace(plan, offload=True, events=events)


def many(rng: random.Random) -> Plan:
    """Five to eight nodes, two pods on each, three services, and one node that dies."""
    nodes = rng.randint(5, 8)
    pods = 2 * nodes
    at = rng.uniform(0.2, 1.0)
    death = NodeDies(at=at, until=at + rng.uniform(0.5, 3), node=rng.randint(1, nodes))
    talk = _talk(rng, pods=pods, services=3, count=12, within_s=2.0)
    underlay = _wire(rng, corrupt=False)
    services = _services(rng, pods, 3)
    return Plan(nodes=nodes, pods=pods, services=services, underlay=underlay, events=(*talk, death))


def sips(rng: random.Random) -> Plan:
    """Readers that read little at a time, and windows that are tiny: no silly segments, no end."""
    talk = tuple(
        Converse(
            at=rng.uniform(0, 1),
            client="pod-0",
            server="pod-1",
            up=5000,
            down=20_000,
            sip=rng.choice((1, 50, 500)) * 10,
        )
        for _ in range(2)
    )
    tcp = TcpSettings(receive_buffer_octets=rng.choice((1024, 1500, 4096)))
    veth = _wire(rng, loss_max=0.02, corrupt=False)
    return Plan(nodes=0, pods=2, veth=veth, tcp=tcp, events=talk)


def _flooded(rng: random.Random, kinds: tuple[str, ...], *, packets: int) -> Plan:
    pods = 4
    floods = []
    for kind in kinds:
        attacker, victim = rng.sample([f"pod-{index}" for index in range(pods)], 2)
        at = rng.uniform(0, 0.5)
        floods.append(
            Flood(at=at, until=at + 1, kind=kind, attacker=attacker, victim=victim, packets=packets)
        )
    talk = _talk(rng, pods=pods, services=1, count=3, within_s=1.5)
    return Plan(
        nodes=2,
        pods=pods,
        services=_services(rng, pods, 1),
        conntrack_max=200,
        events=(*talk, *floods),
    )


def floods(rng: random.Random) -> Plan:
    """SYNs, fragments and datagrams in strangers' names, more than any table has room for."""
    kinds = ("syn", "own-syn", "fragment", "datagram", "question", "stranger-mac")
    return _flooded(rng, tuple(rng.sample(kinds, 2)), packets=400)


def floods6(rng: random.Random) -> Plan:
    """The same over IPv6, beside conversations over both; networks scanned, names invented."""
    kinds = ("scan6", "names6", "fragment6", "syn6", "datagram6")
    return _of(_flooded(rng, tuple(rng.sample(kinds, 2)), packets=400), rng, (4, 6))


def siege(rng: random.Random) -> Plan:
    """A host on the attacker's own Ethernet: more SYNs than its queue holds, and fragments."""
    kinds = rng.sample(("syn", "neighbour-syn", "own-syn", "fragment", "flags"), 2)
    floods = [
        Flood(at=0.1, until=1.1, kind=kind, attacker="pod-0", victim="pod-1", packets=packets)
        for kind, packets in zip(kinds, (1100, 200), strict=True)
    ]
    talk = _talk(rng, pods=3, services=0, count=3, within_s=1.5)
    return Plan(nodes=0, pods=3, events=(*talk, *floods))


def nonsense(rng: random.Random) -> Plan:
    """Frames, flags and VXLAN datagrams that mean nothing, and martians."""
    kinds = ("noise", "flags", "martian", "vxlan")
    return _flooded(rng, tuple(rng.sample(kinds, 2)), packets=200)


def loop(rng: random.Random) -> Plan:
    """Two nodes send a network's packets to each other: TTL ends it, others do not suffer."""
    pods = 4
    circle = RouteLoop(at=0.1, until=2.0, nodes=(1, 2), sender=_pod(rng, pods), packets=5)
    talk = _talk(rng, pods=pods, services=1, count=3, within_s=1.5)
    return Plan(nodes=2, pods=pods, services=_services(rng, pods, 1), events=(*talk, circle))


#: Every scenario by its name.
SCENARIOS: Final[Mapping[str, Planner]] = {
    "wire": wire,
    "wire6": wire6,
    "marked": marked,
    "overlay": overlay,
    "overlay6": overlay6,
    "churn": churn,
    "partition": partition,
    "failover": failover,
    "restart": restart,
    "everything": everything,
    "dual": dual,
    "offload": offload,
    "many": many,
    "sips": sips,
    "floods": floods,
    "floods6": floods6,
    "siege": siege,
    "nonsense": nonsense,
    "loop": loop,
}


def plan_of(name: str, seed: int) -> Plan:
    """Return the plan of scenario *name* for *seed*."""
    return SCENARIOS[name](random.Random(f"{name} {seed}"))
