"""Hints: for whom an endpoint is (upstream's trafficdist_test.go and topologycache_test.go)."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest

from controlplane.controllermanager.endpointslice import hints


def service(distribution=None, **annotations):
    spec = {"trafficDistribution": distribution} if distribution else {}
    return {"metadata": {"name": "web", "annotations": annotations}, "spec": spec}


def endpoint(number, zone="a", *, node="n1", ready=True):
    found = {
        "addresses": [f"10.0.0.{number}"],
        "conditions": {"ready": ready, "serving": ready, "terminating": False},
    }
    return found | ({"zone": zone} if zone else {}) | ({"nodeName": node} if node else {})


def node(name, zone, cpu="4", *, ready="True", **labels):
    if zone:
        labels["topology.kubernetes.io/zone"] = zone
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {
            "allocatable": {"cpu": cpu},
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


ZONE_A = {"forZones": [{"name": "a"}]}


@pytest.mark.parametrize(
    ("distribution", "one", "hint"),
    [
        ("PreferClose", endpoint(1), ZONE_A),
        ("PreferSameZone", endpoint(1), ZONE_A),
        ("PreferSameNode", endpoint(1), ZONE_A | {"forNodes": [{"name": "n1"}]}),
        ("PreferSameNode", endpoint(1, zone=""), {"forNodes": [{"name": "n1"}]}),
        ("PreferSameZone", endpoint(1, zone=""), None),
        ("PreferSameNode", endpoint(1, zone="", node=""), None),
        ("PreferSameZone", endpoint(1, ready=False), None),
        (None, endpoint(1), None),
        ("Balanced", endpoint(1), None),
    ],
)
def test_traffic_distribution(distribution, one, hint):
    hints.by_distribution(service(distribution), [one])
    assert one.get("hints") == hint


@pytest.mark.parametrize(
    ("annotations", "auto"),
    [
        ({}, False),
        ({"service.kubernetes.io/topology-mode": "Auto"}, True),
        ({"service.kubernetes.io/topology-mode": "auto"}, True),
        ({"service.kubernetes.io/topology-aware-hints": "Auto"}, True),
        ({"service.kubernetes.io/topology-mode": "Disabled"}, False),
    ],
)
def test_the_annotation(annotations, auto):
    assert hints.is_auto(service(**annotations)) is auto


def test_zones_have_their_parts_of_the_cpus():
    nodes = [node("n1", "a", "4"), node("n2", "b", "1500m"), node("n3", "b", "500m")]
    assert hints.zones_of(nodes) == {"a": Fraction(2, 3), "b": Fraction(1, 3)}
    down = node("n4", "c", ready="False")
    master = node("n5", "", **{"node-role.kubernetes.io/control-plane": ""})
    assert set(hints.zones_of([*nodes, down, master])) == {"a", "b"}


@pytest.mark.parametrize(
    "nodes",
    [
        [],
        [node("n1", "a")],
        [node("n1", "a"), node("n2", "")],
        [node("n1", "a"), node("n2", "b", "0")],
        [node("n1", "a"), node("n2", "b", "many")],
    ],
)
def test_nodes_that_say_too_little(nodes):
    assert hints.zones_of(nodes) == {}


HALF = {"a": Fraction(1, 2), "b": Fraction(1, 2)}
THIRDS = {zone: Fraction(1, 3) for zone in "abc"}


def shared(places: str, zones) -> dict[str, int] | str:
    """Return how many endpoints each zone got, or why none."""
    endpoints = [endpoint(n, zone) for n, zone in enumerate(places)]
    refusal = hints.by_zone(endpoints, zones)
    if refusal is not None:
        assert not any("hints" in each for each in endpoints)
        return refusal.reason
    return dict(Counter(each["hints"]["forZones"][0]["name"] for each in endpoints))


@pytest.mark.parametrize(
    ("places", "zones", "expected"),
    [
        ("aabb", HALF, {"a": 2, "b": 2}),
        ("aaab", HALF, {"a": 2, "b": 2}),
        ("aaaa", HALF, {"a": 2, "b": 2}),
        ("aaaabb", THIRDS, {"a": 2, "b": 2, "c": 2}),
        ("aaabbbccc", THIRDS, {"a": 3, "b": 3, "c": 3}),
        ("aaaaabbb", {"a": Fraction(5, 8), "b": Fraction(3, 8)}, {"a": 5, "b": 3}),
    ],
)
def test_endpoints_are_shared_out_by_cpus(places, zones, expected):
    assert shared(places, zones) == expected


@pytest.mark.parametrize(
    ("places", "zones", "words"),
    [
        ("a", HALF, "Insufficient number of endpoints (1 endpoints, 2 zones)"),
        ("", HALF, "Insufficient number of endpoints"),
        ("aaa", {}, "Insufficient Node information"),
        ("aab", {"a": Fraction(1, 2), "b": Fraction(1, 2)}, "overload threshold"),
        ("aa bbb", HALF, "do not have a zone"),
    ],
)
def test_where_shares_cannot_be(places, zones, words):
    endpoints = places.replace(" ", "\0")
    places = [endpoint(n, "" if zone == "\0" else zone) for n, zone in enumerate(endpoints)]
    refusal = hints.by_zone(places, zones)
    assert refusal is not None
    assert words in refusal.reason
    assert not any("hints" in each for each in places)


def test_only_ready_endpoints_are_shared():
    endpoints = [endpoint(1, "a"), endpoint(2, "b"), endpoint(3, "a", ready=False)]
    assert hints.by_zone(endpoints, HALF) is None
    assert ["hints" in each for each in endpoints] == [True, True, False]


def test_a_nodes_place_is_what_hints_depend_on():
    assert hints.place_of({}) == ("", False, 0)
    assert hints.place_of(node("n1", "a")) == ("a", True, 4000)
    assert hints.place_of(node("n1", "a")) == hints.place_of(node("n2", "a"))
    assert hints.zone_of({}) == ""
