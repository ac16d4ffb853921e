"""Choosing endpoints."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from nodeagent.datapath import tables
from nodeagent.datapath.frontends import Frontend, FrontendTable, key_of


def make(address="10.96.0.10", endpoints=4, **fields):
    backends = [tables.Backend(address=f"10.244.1.{n}", port=80) for n in range(endpoints)]
    return Frontend.of(
        tables.Frontend(
            address=address, port=80, protocol="TCP", service="a/b", backends=backends, **fields
        )
    )


@pytest.fixture
def table():
    return FrontendTable(random.Random(1))


def test_every_endpoint_gets_its_share(table):
    frontend = make()
    table.replace(frontend)
    counts = Counter(table.choose(frontend, 1, 0.0) for _ in range(4000))
    assert set(counts) == set(frontend.endpoints)
    assert all(abs(count - 1000) < 150 for count in counts.values())


def test_affinity_lasts_and_ends(table):
    frontend = make(affinity_s=100, endpoints=50)
    first = table.choose(frontend, 1, 0.0)
    assert all(table.choose(frontend, 1, at) == first for at in (50.0, 140.0, 239.0))
    others = {table.choose(frontend, 1, 1000.0 * n) for n in range(1, 20)}
    assert len(others) > 1


def test_affinity_leaves_an_endpoint_that_is_gone(table):
    frontend = make(affinity_s=100, endpoints=2)
    gone = table.choose(frontend, 1, 0.0)
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
    assert table.replace(frontend) == frozenset()
    assert table.replace(smaller) == {gone}
    assert table.choose(smaller, 1, 1.0) == smaller.endpoints[0]


def test_a_node_port_is_found_at_the_nodes_addresses_only(table):
    table.replace(make(address=""))
    assert table.lookup(0x0A000001, 80, 6, local=True) is not None
    assert table.lookup(0x0A000001, 80, 6, local=False) is None
    assert table.lookup(0x0A000001, 80, 17, local=True) is None


def test_no_endpoints_no_choice(table):
    assert table.choose(make(endpoints=0), 1, 0.0) is None


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
