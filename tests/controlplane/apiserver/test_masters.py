"""Which API servers are alive, from the keys of their leases."""

from __future__ import annotations

from componentbase.timings import KUBERNETES, LAB
from controlplane.apiserver import masters
from controlplane.apiserver.masters import Masters, lease_ttl_s
from controlplane.storage.interface import Event, KeyValue


def held(address, revision=5):
    return KeyValue(masters.key(address), b"{}", revision, revision, lease=1)


def came(address):
    return Event(6, masters.key(address), held(address, 6), None)


def went(address):
    return Event(7, masters.key(address), None, held(address))


def test_addresses_are_in_order_and_changes_are_told():
    known, told = Masters("10.0.0.9"), []
    known.on_change = lambda: told.append(list(known.addresses))
    known.load([held("10.0.0.10"), held("10.0.0.9")])
    known.apply(came("10.0.0.2"))
    known.apply(came("10.0.0.2"))  # Renewed with a new lease: no change.
    known.apply(went("10.0.0.9"))
    known.apply(went("10.0.0.9"))
    assert told == [
        ["10.0.0.9", "10.0.0.10"],
        ["10.0.0.2", "10.0.0.9", "10.0.0.10"],
        ["10.0.0.2", "10.0.0.10"],
    ]


def test_the_first_in_order_keeps_house():
    known = Masters("10.0.0.9")
    assert not known.is_first
    known.load([held("10.0.0.9")])
    assert known.is_first
    known.apply(came("10.0.0.2"))
    assert not known.is_first


def test_keys_that_are_no_addresses_are_nobodys():
    known = Masters("10.0.0.9")
    known.load([held("kubernetes"), held("10.0.0.9")])
    assert known.addresses == ["10.0.0.9"]


def test_a_lease_lasts_upstreams_time_and_never_less_than_etcd_can():
    assert lease_ttl_s(KUBERNETES) == 15
    assert lease_ttl_s(LAB) == 3
