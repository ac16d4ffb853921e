"""IPVS's schedulers: what each is for."""

from __future__ import annotations

from collections import Counter

import pytest

from nodeagent.datapath.packet import FlowTuple
from nodeagent.datapath.schedulers import SCHEDULERS, VirtualService

A, B, C, D = ((0x0AF40100 + n, 80) for n in range(4))
VIP = 0x0A60000A


def flow(client: int = 1, destination: int = VIP) -> FlowTuple:
    return FlowTuple(6, client, 40000, destination, 80)


def service(name: str, **weights: int) -> VirtualService:
    found = VirtualService(name)
    named = {"a": A, "b": B, "c": C, "d": D}
    found.set_destinations(
        {named[key]: weight for key, weight in (weights or {"a": 1, "b": 1, "c": 1}).items()},
        graceful=True,
    )
    return found


def connect(virtual: VirtualService, client: int = 1, *, active: bool = True, now: float = 0.0):
    """Schedule a connection among everybody, and count it."""
    everybody = [each for each in (A, B, C, D) if each in virtual._destinations]
    chosen = virtual.schedule(everybody, flow(client), now)
    virtual.destination(chosen).joined(active=active)
    return chosen


def load(virtual: VirtualService, endpoint, *, active: int = 0, inactive: int = 0) -> None:
    destination = virtual.destination(endpoint)
    destination.active, destination.inactive = active, inactive


def test_rr_goes_round():
    virtual = service("rr")
    assert [connect(virtual) for _ in range(7)] == [A, B, C, A, B, C, A]


def test_wrr_goes_round_by_weight():
    virtual = service("wrr", a=4, b=3, c=2)
    assert [connect(virtual) for _ in range(9)] == [A, A, B, A, B, C, A, B, C]
    assert Counter(connect(virtual) for _ in range(90)) == {A: 40, B: 30, C: 20}


def test_lc_counts_an_active_connection_as_256_others():
    virtual = service("lc")
    load(virtual, A, active=1)
    load(virtual, B, inactive=255)
    load(virtual, C, inactive=256)
    assert connect(virtual) == B


def test_wlc_divides_by_weight():
    virtual = service("wlc", a=1, b=3)
    load(virtual, A, active=1)
    load(virtual, B, active=2)
    assert connect(virtual) == B
    assert connect(virtual) == A, "a tie goes to the first"


def test_sed_looks_ahead():
    virtual = service("sed", a=1, b=3)
    load(virtual, A, active=0)
    load(virtual, B, active=1)
    assert connect(virtual) == B, "(1 + 1) / 3 is less than (0 + 1) / 1"


def test_nq_prefers_the_idle():
    virtual = service("nq", a=1, b=3)
    load(virtual, B, active=1)
    assert connect(virtual) == A, "where sed would queue"
    assert connect(virtual) == B


@pytest.mark.parametrize("name", ["sh", "mh"])
def test_a_client_keeps_its_destination(name):
    virtual = service(name)
    first = {client: connect(virtual, client) for client in range(600)}
    assert {client: connect(virtual, client) for client in range(600)} == first
    counts = Counter(first.values())
    assert set(counts) == {A, B, C}
    assert min(counts.values()) > 100


def test_sh_is_linux_own_hash():
    """hash_32 of 10.244.1.7, 8 bits, is 54: bucket 54 of a, b, c, a, … is a's."""
    virtual = service("sh")
    assert connect(virtual, 0x0AF40107) == A
    assert connect(virtual, 0x0AF40108) == (A, B, C)[(0x0AF40108 * 0x61C88647 >> 24 & 0xFF) % 3]


def test_sh_gives_shares_by_weight():
    virtual = service("sh", a=3, b=1)
    counts = Counter(connect(virtual, client) for client in range(4000))
    assert 2.5 < counts[A] / counts[B] < 3.6


def test_mh_moves_few_clients_when_one_goes():
    virtual = service("mh", a=1, b=1, c=1, d=1)
    before = {client: connect(virtual, client) for client in range(2000)}
    virtual.set_destinations({A: 1, B: 1, C: 1}, graceful=False)
    after = {client: connect(virtual, client) for client in range(2000)}
    stayed = [client for client in before if before[client] != D]
    moved = sum(before[client] != after[client] for client in stayed)
    assert moved / len(stayed) < 0.15, "sh would move two thirds"


def test_ipv6_addresses_are_hashed_whole():
    virtual = service("sh")
    clients = [0xFD00 << 112 | n << 96 | 5 for n in range(300)]
    assert set(Counter(connect(virtual, client) for client in clients)) == {A, B, C}


def test_dh_depends_on_the_destination_alone():
    virtual = service("dh")
    assert len({connect(virtual, client) for client in range(50)}) == 1
    others = {virtual.schedule([A, B, C], flow(1, VIP + n), 0.0) for n in range(50)}
    assert others == {A, B, C}


def test_lblc_leaves_an_overloaded_destination():
    virtual = service("lblc", a=2, b=2, c=2)
    load(virtual, B, active=2)
    load(virtual, C, active=2)
    assert connect(virtual) == A
    load(virtual, A, active=3)
    assert connect(virtual) == A, "nobody else is below half of its weight"
    load(virtual, B, active=0)
    assert connect(virtual) == B
    assert connect(virtual) == B, "remembered"


def test_lblcr_keeps_a_set_and_shrinks_it_after_a_day():
    virtual = service("lblcr", a=1, b=1)
    assert connect(virtual) == A
    load(virtual, A, active=2)
    assert connect(virtual, now=1.0) == B, "a is overloaded: b joins the set"
    load(virtual, A, active=0)
    assert connect(virtual, now=2.0) == A, "the least loaded of the set"
    load(virtual, A, active=0)
    load(virtual, B, active=1)
    assert connect(virtual, now=90_000.0) == A
    load(virtual, A, active=1, inactive=9)
    assert connect(virtual, now=90_001.0) == A, "b has left the set"


@pytest.mark.parametrize("name", SCHEDULERS)
def test_destinations_may_come_and_go(name):
    virtual = service(name)
    for now in range(200):
        chosen = connect(virtual, client=now, now=float(now))
        members = {A: 1, B: 2} if now % 2 else {B: 1, C: 1, D: 3}
        virtual.set_destinations(members, graceful=True)
        assert chosen in (A, B, C, D)
    assert set(virtual.draining()) <= {C, D, A}


def test_who_returns_has_the_connections_that_it_had():
    virtual = service("lc", a=1, b=1)
    load(virtual, A, active=1)
    virtual.set_destinations({B: 1}, graceful=True)
    assert virtual.draining() == [A]
    virtual.set_destinations({A: 1, B: 1}, graceful=True)
    assert virtual.draining() == []
    assert connect(virtual) == B


def test_without_grace_nobody_drains():
    virtual = service("rr")
    load(virtual, A, active=1)
    virtual.set_destinations({B: 1}, graceful=False)
    assert virtual.draining() == []
