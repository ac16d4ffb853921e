"""Load balancers at the nodes' own addresses, case by case."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.servicelb.node_plan import (
    EXCLUDED,
    EnsureNodes,
    addresses,
    owners,
    plan,
)
from controlplane.controllermanager.servicelb.plan import CLASS, FINALIZER, Refuse, Release

NODES = ("192.168.64.1", "fd00:192:168:64::1", "192.168.64.2", "fd00:192:168:64::2")


def ingress(*ips):
    return [{"ip": each, "ipMode": "VIP"} for each in ips]


BOTH = ingress("192.168.64.1", "192.168.64.2")


def service(name="web", given=(), *, finalizer=None, deleted=False, created="2", **spec):
    metadata = {"name": name, "namespace": "d", "uid": name, "creationTimestamp": created}
    if bool(given) if finalizer is None else finalizer:
        metadata["finalizers"] = ["example.com/other", FINALIZER]
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    ports = [{"port": 80}, {"port": 80, "protocol": "UDP"}]
    return {
        "metadata": metadata,
        "spec": {"type": "LoadBalancer", "ipFamilies": ["IPv4"], "ports": ports, **spec},
        "status": {"loadBalancer": {"ingress": list(given)}},
    }


OTHER = service("other", BOTH, created="1", ports=[{"port": 443}])

CASES = {
    "a new one gets all nodes": (service(), EnsureNodes(tuple(BOTH))),
    "one that has them is left alone": (service(given=BOTH), None),
    "one without its finalizer gets that": (
        service(given=BOTH, finalizer=False),
        EnsureNodes(tuple(BOTH)),
    ),
    "a node that left is taken out": (
        service(given=[*BOTH, *ingress("192.168.64.3")]),
        EnsureNodes(tuple(BOTH)),
    ),
    "both families, the first one first": (
        service(ipFamilies=["IPv6", "IPv4"]),
        EnsureNodes((*ingress(NODES[1], NODES[3]), *BOTH)),
    ),
    "a port that another one has": (
        service(ports=[{"port": 443}]),
        Refuse("port 443/TCP of the nodes belongs to d/other"),
    ),
    "the same port of another protocol": (
        service(ports=[{"port": 443, "protocol": "UDP"}]),
        EnsureNodes(tuple(BOTH)),
    ),
    "our class is ours": (service(loadBalancerClass=CLASS), EnsureNodes(tuple(BOTH))),
    "another class is somebody's": (service(loadBalancerClass="example.com/lb"), None),
    "no longer a balancer": (service(given=BOTH, type="ClusterIP"), Release()),
    "deleted": (service(given=BOTH, deleted=True), Release()),
    "never a balancer": (service(type="NodePort"), None),
}


@pytest.mark.parametrize(("one", "step"), CASES.values(), ids=CASES)
def test_the_next_step(one, step):
    assert plan(one, owners([OTHER, one]), NODES) == step


def test_without_a_node_a_new_one_waits_and_an_old_one_loses_its_addresses():
    assert plan(service(), {}, ()) == Refuse("no node is Ready")
    assert plan(service(given=BOTH), {}, ()) == EnsureNodes(())


def test_of_two_that_claim_a_port_the_older_has_it():
    younger, older = service("b", BOTH, created="2"), service("a", BOTH, created="1")
    assert owners([younger, older]) == {("TCP", 80): "d/a", ("UDP", 80): "d/a"}
    assert plan(younger, owners([younger, older]), NODES) == Refuse(
        "port 80/TCP of the nodes belongs to d/a"
    )


def node(name, *ips, ready="True", labels=(), deleted=False):
    listed = [{"type": "InternalIP", "address": each} for each in ips]
    metadata = {"name": name, "labels": dict.fromkeys(labels, "")}
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {
        "metadata": metadata,
        "status": {
            "addresses": [*listed, {"type": "Hostname", "address": name}],
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


def test_nodes_that_are_ready_and_not_excluded_balance():
    nodes = [
        node("node-2", "192.168.64.2"),
        node("node-1", "192.168.64.1", "fd00::1"),
        node("node-3", "192.168.64.3", ready="Unknown"),
        node("node-4", "192.168.64.4", labels=[EXCLUDED]),
        node("node-5", "192.168.64.5", deleted=True),
    ]
    assert addresses(nodes) == ("192.168.64.1", "fd00::1", "192.168.64.2")
