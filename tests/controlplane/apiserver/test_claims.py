"""Claims to numbers as the store tells of them, and what repair makes of them."""

from __future__ import annotations

import random

import pytest

from controlplane.apiserver import claims
from controlplane.apiserver.claims import ClaimRepair, Claims, encode_claim, owner_of
from controlplane.apiserver.kinds.service_allocation import ServiceAllocator
from controlplane.storage.interface import Event, KeyValue

NAME = "serviceips/10.96.0.10"


def held(name, revision, value=None):
    octets = encode_claim("default/web", "1") if value is None else value
    return KeyValue(claims.key(name), octets, revision, revision)


@pytest.fixture
def allocator():
    return ServiceAllocator("10.96.0.0/16", "30000-32767", random.Random(1))


def is_free(allocator):
    new = {
        "metadata": {"namespace": "default", "name": "other"},
        "spec": {
            "type": "ClusterIP",
            "ipFamilies": ["IPv4"],
            "clusterIP": "10.96.0.10",
            "ports": [],
        },
    }
    refused = allocator.assign(new, None)
    allocator.release(new)
    return not refused


def test_the_allocator_hears_what_the_store_tells(allocator):
    seen = Claims(allocator)
    seen.load([held(NAME, 3)])
    assert seen.revisions == {NAME: 3}
    assert not is_free(allocator)
    seen.apply(Event(4, claims.key(NAME), None, held(NAME, 3)))
    assert seen.revisions == {}
    assert is_free(allocator)
    seen.apply(Event(5, claims.key(NAME), held(NAME, 5), None))
    seen.load([])
    assert is_free(allocator)


def test_what_nobody_of_us_wrote_is_left_alone(allocator):
    seen = Claims(allocator)
    seen.load([held("serviceips/here", 3), held("servicenodeports/x", 4)])
    seen.apply(Event(5, claims.key("serviceips/here"), None, held("serviceips/here", 3)))
    assert seen.revisions == {}


def test_a_claim_names_its_service():
    assert owner_of(held(NAME, 1)) == "default/web"
    assert owner_of(held(NAME, 1, b"\xff")) == ""


def test_what_is_held_unclaimed_is_claimed():
    plan = ClaimRepair().plan({NAME: "default/web"}, {}, 0.0)
    assert (plan.missing, plan.leaked) == ({NAME: "default/web"}, {})


def test_what_is_claimed_and_not_held_is_freed_only_after_any_request_is_over():
    repair = ClaimRepair(leaked_after_s=60.0)
    assert claims.LEAKED_AFTER_S > 2 * claims.HOLD_MAX_S
    for now in (0.0, 30.0, 59.0):
        assert repair.plan({}, {NAME: 3}, now).leaked == {}
    assert repair.plan({}, {NAME: 3}, 60.0).leaked == {NAME: 3}


def test_a_claim_that_was_held_or_written_anew_in_between_is_waited_for_again():
    repair = ClaimRepair(leaked_after_s=60.0)
    repair.plan({}, {NAME: 3}, 0.0)
    repair.plan({NAME: "default/web"}, {NAME: 3}, 30.0)
    assert repair.plan({}, {NAME: 3}, 61.0).leaked == {}
    assert repair.plan({}, {NAME: 9}, 119.0).leaked == {}
    assert repair.plan({}, {NAME: 9}, 179.0).leaked == {NAME: 9}
