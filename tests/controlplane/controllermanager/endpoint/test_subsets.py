"""Endpoints as Endpoints objects list them."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.endpoint.subsets import (
    ADDRESSES_MAX,
    OVER_CAPACITY,
    is_as_wanted,
    kept_sizes,
    updated,
    wanted_object,
)
from controlplane.controllermanager.endpointslice.endpoints import Group, Port
from controlplane.controllermanager.endpointslice.trigger_time import annotated

HTTP = Group("IPv4", (Port("", "TCP", 80),))
SERVICE = {
    "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
    "spec": {"clusterIP": "10.96.0.7", "selector": {"app": "web"}},
}


def endpoint(address, *, ready=True, terminating=False):
    return {
        "addresses": [address],
        "conditions": {"ready": ready, "serving": ready, "terminating": terminating},
        "nodeName": "node-1",
        "targetRef": {"kind": "Pod", "name": address},
    }


def test_ready_and_unready_addresses_share_the_subset_of_their_ports():
    made = wanted_object(
        SERVICE,
        {
            HTTP: [
                endpoint("10.244.0.3", ready=False),
                endpoint("10.244.0.2"),
                endpoint("10.244.0.9", ready=False, terminating=True),
            ]
        },
    )
    (subset,) = made["subsets"]
    assert [address["ip"] for address in subset["addresses"]] == ["10.244.0.2"]
    assert [address["ip"] for address in subset["notReadyAddresses"]] == ["10.244.0.3"]
    assert subset["ports"] == [{"protocol": "TCP", "port": 80}]
    assert subset["addresses"][0]["nodeName"] == "node-1"
    assert made["metadata"]["labels"] == {"app": "web"}


def test_a_service_without_endpoints_has_no_subsets():
    assert "subsets" not in wanted_object(SERVICE, {})


def test_a_headless_service_says_so():
    headless = {**SERVICE, "spec": {"clusterIP": "None", "selector": {"app": "web"}}}
    labels = wanted_object(headless, {})["metadata"]["labels"]
    assert labels == {"app": "web", "service.kubernetes.io/headless": ""}


def test_too_many_addresses_are_cut_and_marked():
    many = [endpoint(f"10.244.{n // 250}.{n % 250 + 1}") for n in range(ADDRESSES_MAX + 5)]
    made = wanted_object(SERVICE, {HTTP: many})
    assert len(made["subsets"][0]["addresses"]) == ADDRESSES_MAX
    assert made["metadata"]["annotations"] == {OVER_CAPACITY: "truncated"}


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ([], []),
        ([(500, 500)], [(500, 500)]),
        ([(1000, 5)], [(1000, 0)]),
        ([(900, 500)], [(900, 100)]),
        ([(1500, 100)], [(1000, 0)]),
        ([(100, 300), (100, 900)], [(100, 200), (100, 600)]),
        ([(1000, 0), (500, 9)], [(667, 0), (333, 0)]),
        ([(0, 333), (1, 0), (999, 1)], [(0, 0), (1, 0), (999, 0)]),
    ],
)
def test_every_subset_shrinks_in_proportion_those_that_are_not_ready_first(sizes, kept):
    assert kept_sizes(sizes) == (kept, sizes != kept)


def test_a_pod_without_the_services_ports_is_no_address():
    service = {**SERVICE, "spec": {**SERVICE["spec"], "ports": [{"port": 80}]}}
    groups = {Group("IPv4", ()): [endpoint("10.244.0.2")]}
    assert "subsets" not in wanted_object(service, groups)
    (subset,) = wanted_object(SERVICE, groups)["subsets"]
    assert "ports" not in subset


def test_a_trigger_time_goes_with_the_next_write_that_has_none():
    before = annotated(wanted_object(SERVICE, {HTTP: [endpoint("10.244.0.2")]}), 1.5)
    assert before["metadata"]["annotations"] == {
        "endpoints.kubernetes.io/last-change-trigger-time": "1970-01-01T00:00:01.500000Z"
    }
    after = updated(before, wanted_object(SERVICE, {}))
    assert "annotations" not in after["metadata"]


def test_other_peoples_annotations_need_no_write():
    wanted = wanted_object(SERVICE, {HTTP: [endpoint("10.244.0.2")]})
    noted = {**wanted, "metadata": {**wanted["metadata"], "annotations": {"note": "hello"}}}
    assert is_as_wanted(noted, wanted)
    assert not is_as_wanted(noted, wanted_object(SERVICE, {}))


def test_an_update_takes_what_is_not_so_any_more_and_keeps_what_others_noted():
    many = [endpoint(f"10.244.{n // 250}.{n % 250 + 1}") for n in range(ADDRESSES_MAX + 1)]
    crowded = wanted_object(SERVICE, {HTTP: many})
    crowded["metadata"]["annotations"]["note"] = "hello"
    crowded["metadata"]["resourceVersion"] = "7"
    bare = {**SERVICE, "metadata": {"name": "web", "namespace": "default"}}
    wanted = wanted_object(bare, {HTTP: many[:1]})
    after = updated(crowded, wanted)
    assert is_as_wanted(after, wanted)
    assert after["metadata"] == {
        "name": "web",
        "namespace": "default",
        "resourceVersion": "7",
        "annotations": {"note": "hello"},
    }
