"""Endpoints as slices."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.endpointslice.endpoints import Group, Port
from controlplane.controllermanager.endpointslice.reconcile import plan_slices
from controlplane.controllermanager.endpointslicemirroring import mirror

SERVICE = {"metadata": {"name": "db", "namespace": "ns"}, "spec": {"clusterIP": "10.96.0.7"}}


def endpoints(*subsets, labels=None, annotations=None):
    metadata = {
        "name": "db",
        "namespace": "ns",
        "uid": "u1",
        "labels": labels or {},
        "annotations": annotations or {},
    }
    return {"metadata": metadata, "subsets": list(subsets)}


def subset(*ready, not_ready=(), ports=({"name": "sql", "port": 5432, "protocol": "TCP"},)):
    found = {"addresses": [{"ip": ip} for ip in ready], "ports": list(ports)}
    return found | {"notReadyAddresses": [{"ip": ip} for ip in not_ready]}


@pytest.mark.parametrize(
    ("labels", "annotations", "service", "mirrored"),
    [
        ({}, {}, SERVICE, True),
        ({"endpointslice.kubernetes.io/skip-mirror": "true"}, {}, SERVICE, False),
        ({"endpointslice.kubernetes.io/skip-mirror": "false"}, {}, SERVICE, True),
        ({}, {"control-plane.alpha.kubernetes.io/leader": "{}"}, SERVICE, False),
        ({}, {}, None, False),
        ({}, {}, {**SERVICE, "spec": {"selector": {"app": "db"}}}, False),
    ],
)
def test_what_is_mirrored(labels, annotations, service, mirrored):
    found = endpoints(labels=labels, annotations=annotations)
    assert mirror.is_mirrored(found, service) is mirrored


def test_endpoints_that_are_gone_are_not_mirrored():
    assert not mirror.is_mirrored(None, SERVICE)


def test_addresses_become_endpoints_by_family_and_ports():
    target = {"kind": "Pod", "name": "db-0"}
    full = {"ip": "10.0.0.1", "hostname": "db-0", "nodeName": "node-1", "targetRef": target}
    first = subset("fd00::1", not_ready=["10.0.0.2"])
    first["addresses"].append(full)
    sql = (Port("sql", "TCP", 5432),)
    assert mirror.wanted_endpoints(endpoints(first, subset("10.0.0.3", ports=()))) == {
        Group("IPv6", sql): [{"addresses": ["fd00::1"], "conditions": {"ready": True}}],
        Group("IPv4", sql): [
            {
                "addresses": ["10.0.0.1"],
                "conditions": {"ready": True},
                "hostname": "db-0",
                "nodeName": "node-1",
                "targetRef": target,
            },
            {"addresses": ["10.0.0.2"], "conditions": {"ready": False}},
        ],
        Group("IPv4", ()): [{"addresses": ["10.0.0.3"], "conditions": {"ready": True}}],
    }


def test_a_subset_is_mirrored_up_to_a_thousand_addresses():
    many = subset(*(f"10.0.{n // 250}.{n % 250 + 1}" for n in range(1200)))
    (found,) = mirror.wanted_endpoints(endpoints(many)).values()
    assert len(found) == 1000
    template = mirror.template_of(endpoints(many))
    todo = plan_slices(template, mirror.wanted_endpoints(endpoints(many)), [])
    assert [len(one["endpoints"]) for one in todo.create] == [1000]


def test_slices_say_whose_they_are():
    annotations = {
        "note": "mine",
        "endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
    }
    found = endpoints(subset("10.0.0.1"), labels={"team": "a"}, annotations=annotations)
    todo = plan_slices(mirror.template_of(found), mirror.wanted_endpoints(found), [])
    (one,) = todo.create
    assert one["metadata"]["labels"] == {
        "team": "a",
        "kubernetes.io/service-name": "db",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
    }
    assert one["metadata"]["annotations"] == {"note": "mine"}
    assert one["metadata"]["ownerReferences"][0]["kind"] == "Endpoints"
    assert one["addressType"] == "IPv4"


def test_changes_of_addresses_labels_and_annotations_are_followed():
    before = endpoints(subset("10.0.0.1"))
    todo = plan_slices(mirror.template_of(before), mirror.wanted_endpoints(before), [])
    made = {**todo.create[0], "metadata": {**todo.create[0]["metadata"], "name": "db-x"}}
    same = plan_slices(mirror.template_of(before), mirror.wanted_endpoints(before), [made])
    assert (same.create, same.update, same.delete) == ([], [], [])
    for after in (
        endpoints(subset("10.0.0.1", "10.0.0.2")),
        endpoints(subset("10.0.0.1"), labels={"team": "b"}),
        endpoints(subset("10.0.0.1"), annotations={"note": "new"}),
    ):
        wanted = mirror.wanted_endpoints(after)
        assert len(plan_slices(mirror.template_of(after), wanted, [made]).update) == 1
    gone = plan_slices(mirror.template_of(before), {}, [made])
    assert gone.delete == [made], "no empty slice stays"


def test_addresses_that_are_too_many_are_counted():
    many = subset(*(f"10.{n // 65536}.{n // 256 % 256}.{n % 256}" for n in range(1003)))
    assert mirror.skipped_addresses(endpoints(many, subset("10.9.9.9"))) == 3
    assert mirror.skipped_addresses(endpoints()) == 0
