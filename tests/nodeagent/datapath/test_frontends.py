"""Choosing endpoints."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from nodeagent.datapath import tables
from nodeagent.datapath.frontends import Frontend, FrontendTable, key_of
from nodeagent.datapath.packet import FlowTuple


def make(address="10.96.0.10", endpoints=4, **fields):
    backends = [tables.Backend(address=f"10.244.1.{n}", port=80) for n in range(endpoints)]
    return Frontend.of(
        tables.Frontend(
            address=address, port=80, protocol="TCP", service="a/b", backends=backends, **fields
        )
    )


def choose(table, frontend, client, now):
    flow = FlowTuple(6, client, 40000, frontend.key[0], frontend.key[1])
    return table.choose(frontend, frontend.endpoints, flow, now)


@pytest.fixture
def table():
    return FrontendTable(random.Random(1))


def test_every_endpoint_gets_its_share(table):
    frontend = make()
    table.replace(frontend)
    counts = Counter(choose(table, frontend, 1, 0.0) for _ in range(4000))
    assert set(counts) == set(frontend.endpoints)
    assert all(abs(count - 1000) < 150 for count in counts.values())


def test_affinity_lasts_and_ends(table):
    frontend = make(affinity_s=100, endpoints=50)
    first = choose(table, frontend, 1, 0.0)
    assert all(choose(table, frontend, 1, at) == first for at in (50.0, 140.0, 239.0))
    others = {choose(table, frontend, 1, 1000.0 * n) for n in range(1, 20)}
    assert len(others) > 1


def test_affinity_leaves_an_endpoint_that_is_gone(table):
    frontend = make(affinity_s=100, endpoints=2)
    gone = choose(table, frontend, 1, 0.0)
    kept = [
        tables.Backend(address=f"10.244.1.{n}", port=80)
        for n in range(2)
        if frontend.endpoints[n] != gone
    ]
    smaller = Frontend.of(
        tables.Frontend(
            address="10.96.0.10",
            port=80,
            protocol="TCP",
            service="a/b",
            backends=kept,
            affinity_s=100,
        )
    )
    table.replace(smaller)
    assert gone not in smaller.endpoints
    assert choose(table, smaller, 1, 1.0) == smaller.endpoints[0]


def test_a_node_port_is_found_at_the_nodes_addresses_only(table):
    table.replace(make(address=""))
    assert table.lookup(0x0A000001, 80, 6, local=True) is not None
    assert table.lookup(0x0A000001, 80, 6, local=False) is None
    assert table.lookup(0x0A000001, 80, 17, local=True) is None


def test_no_endpoints_no_choice(table):
    assert choose(table, make(endpoints=0), 1, 0.0) is None


def test_delete_returns_what_was_there(table):
    frontend = make()
    table.replace(frontend)
    assert table.delete(frontend.key) is frontend
    assert table.delete(frontend.key) is None
    assert table.entries() == []


def test_keys_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="nowhere"):
        key_of("nowhere", 80, "TCP")
    with pytest.raises(KeyError):
        key_of("10.96.0.10", 80, "SCTP")


@pytest.mark.parametrize(
    ("address", "backend", "message"),
    [
        ("10.96.0.10", "fd00::1", "endpoints of its own family"),
        ("", "fd00::1", "endpoints of its own family"),
        ("::", "10.244.1.5", "endpoints of its own family"),
        ("fd00::1", "10.244.1.5", "endpoints of its own family"),
        ("::1", "fd00::1", "no host may have"),
        ("::10.0.0.1", "fd00::1", "no host may have"),
        ("nonsense", "fd00::1", "does not appear to be"),
    ],
)
def test_families_do_not_mix(address, backend, message):
    backends = [tables.Backend(address=backend, port=80)]
    entry = tables.Frontend(
        address=address, port=80, protocol="TCP", service="a/b", backends=backends
    )
    with pytest.raises(ValueError, match=message):
        Frontend.of(entry)


def test_any_address_of_the_node_is_one_of_its_family(table):
    frontends = {}
    for address, backend in (("", "10.244.1.5"), ("::", "fd00::5")):
        entry = tables.Frontend(
            address=address,
            port=80,
            protocol="TCP",
            service="a/b",
            backends=[tables.Backend(address=backend, port=80)],
        )
        frontends[address] = Frontend.of(entry)
        table.replace(frontends[address])
    assert table.lookup(0x0A000001, 80, 6, local=True) is frontends[""]
    assert table.lookup(0xFD << 120, 80, 6, local=True) is frontends["::"]
    assert table.lookup(0xFD << 120, 80, 6, local=False) is None
    assert table.delete(key_of("::", 80, "TCP")) is frontends["::"]
    assert table.lookup(0xFD << 120, 80, 6, local=True) is None


def test_port_0_stands_for_the_ports_without_a_frontend_of_their_own(table):
    named, guard = (
        make(),
        Frontend.of(tables.Frontend(address="10.96.0.10", port=0, protocol="TCP", service="a/b")),
    )
    table.replace(named)
    assert table.lookup(named.key[0], 81, 6, local=False) is None
    table.replace(guard)
    table.replace(guard)
    assert table.lookup(named.key[0], 80, 6, local=False) is named
    assert table.lookup(named.key[0], 81, 6, local=False) is guard
    assert table.lookup(named.key[0], 81, 17, local=False) is None
    table.delete(guard.key)
    assert table.lookup(named.key[0], 81, 6, local=False) is None


def test_source_ranges_of_its_own_family_say_who_may_come():
    frontend = make(source_ranges=["192.168.64.0/24", "10.0.0.7/32"])
    assert frontend.admits(0xC0A840FE)
    assert frontend.admits(0x0A000007)
    assert not frontend.admits(0x0A000008)
    assert make().admits(0x0A000008)
    with pytest.raises(ValueError, match="source ranges of its own family"):
        make(source_ranges=["fd00::/8"])
    with pytest.raises(ValueError, match="host bits"):
        make(source_ranges=["192.168.64.1/24"])


def test_a_scheduler_is_kept_when_its_endpoints_change(table):
    four, three = make(scheduler="rr"), make(endpoints=3, scheduler="rr")
    table.replace(four)
    assert [choose(table, four, 1, 0.0) for _ in range(5)] == [*four.endpoints, four.endpoints[0]]
    table.replace(three)
    assert choose(table, three, 1, 0.0) == three.endpoints[1], "its turn went on"
    table.replace(make())
    assert table.virtual(four.key) is None


def test_an_endpoint_that_left_drains(table):
    four, three = make(scheduler="lc"), make(endpoints=3, scheduler="lc")
    table.replace(four)
    left = table.destination(four, four.endpoints[3])
    left.joined(active=True)
    table.replace(three)
    virtual = table.virtual(four.key)
    assert virtual.draining() == [four.endpoints[3]]
    left.left(active=True)
    assert virtual.draining() == []


def test_affinity_outlasts_the_scheduler(table):
    sticky = make(affinity_s=100, scheduler="rr")
    table.replace(sticky)
    assert len({choose(table, sticky, 1, float(at)) for at in range(9)}) == 1
    assert len({choose(table, sticky, client, 9.0) for client in range(9)}) == 4


def test_weight_0_gets_nobody(table):
    backends = [tables.Backend(address="10.244.1.1", port=80, weight=0)]
    entry = tables.Frontend(
        address="10.96.0.10",
        port=80,
        protocol="TCP",
        service="a/b",
        backends=backends,
        scheduler="wlc",
        affinity_s=10,
    )
    table.replace(frontend := Frontend.of(entry))
    assert choose(table, frontend, 1, 0.0) is None


def test_listeners_come_and_go_and_their_endpoints_are_no_news(table):
    port = make("", listen=True)
    steps = [
        (lambda: table.replace(make()), 0, []),
        (lambda: table.replace(port), 1, [port.key]),
        (lambda: table.replace(make("", 2, listen=True)), 1, [port.key]),
        (lambda: table.replace(make("", 2)), 2, []),
        (lambda: table.replace(port), 3, [port.key]),
        (lambda: table.delete(port.key), 4, []),
        (lambda: table.delete(make().key), 4, []),
    ]
    for step, changes, keys in steps:
        step()
        assert table.listeners_changed == changes
        assert [each.key for each in table.listening()] == keys
