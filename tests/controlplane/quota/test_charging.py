"""Quotas and what is charged to them, with upstream's sentences."""

from __future__ import annotations

import pytest

from controlplane.quota.charging import Exceeded, charge
from controlplane.quota.counting import status_of
from controlplane.quota.evaluators import evaluator_of
from kubeapi.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    SERVICES,
)


def pod(requests: dict | None = None, limits: dict | None = None, **spec: object) -> dict:
    resources = {"requests": requests or {}, "limits": limits or {}}
    containers = [{"name": "c", "resources": resources}]
    return {"metadata": {"name": "p"}, "spec": {"containers": containers, **spec}}


def quota(hard: dict, used: dict | None = None, **spec: object) -> dict:
    counted = dict.fromkeys(hard, "0") if used is None else used
    return {
        "metadata": {"name": "q"},
        "spec": {"hard": hard, **spec},
        "status": {"hard": hard, "used": counted},
    }


def charged(of: dict, new: dict, old: dict | None = None, resource=PODS) -> dict | None:
    return charge([of], evaluator_of(resource), new, old, 0.0).get("q")


def test_pod_is_charged_for_what_it_requests_and_its_limits() -> None:
    hard = {
        "pods": "3",
        "count/pods": "3",
        "requests.cpu": "1",
        "limits.memory": "1Gi",
        "requests.ephemeral-storage": "1Gi",
        "requests.example.com/gpu": "4",
        "secrets": "1",
    }
    asked = {
        "cpu": "100m",
        "memory": "1Mi",
        "ephemeral-storage": "1Mi",
        "example.com/gpu": "2",
    }
    used = charged(quota(hard), pod(asked, {"memory": "64Mi"}))
    assert used == {
        "count/pods": "1",
        "limits.memory": "64Mi",
        "pods": "1",
        "requests.cpu": "100m",
        "requests.ephemeral-storage": "1Mi",
        "requests.example.com/gpu": "2",
        "secrets": "0",
    }


@pytest.mark.parametrize(
    ("hard", "used", "new", "message"),
    [
        (
            {"pods": "1"},
            {"pods": "1"},
            pod(),
            "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1",
        ),
        (
            {"cpu": "1", "memory": "1Gi"},
            {"cpu": "900m", "memory": "0"},
            pod({"cpu": "200m", "memory": "1Mi"}),
            "exceeded quota: q, requested: cpu=200m, used: cpu=900m, limited: cpu=1",
        ),
        (
            {"requests.cpu": "1", "limits.memory": "1Gi"},
            None,
            pod(),
            "failed quota: q: must specify limits.memory for: c; requests.cpu for: c",
        ),
        ({"pods": "1"}, {}, pod(), "status unknown for quota: q, resources: pods"),
    ],
)
def test_what_does_not_fit_is_refused(hard, used, new, message) -> None:
    with pytest.raises(Exceeded) as caught:
        charged(quota(hard, used), new)
    assert str(caught.value) == message


def test_quota_that_is_not_counted_yet_forbids_nothing() -> None:
    assert charged({**quota({"pods": "0"}), "status": {}}, pod()) is None


@pytest.mark.parametrize(
    ("scope", "inside", "outside"),
    [
        ("Terminating", pod(activeDeadlineSeconds=5), pod()),
        ("NotTerminating", pod(), pod(activeDeadlineSeconds=5)),
        ("BestEffort", pod(), pod({"cpu": "1"})),
        ("NotBestEffort", pod(limits={"memory": "1Mi"}), pod()),
    ],
)
def test_scopes_choose_pods(scope, inside, outside) -> None:
    scoped = quota({"pods": "5"}, scopes=[scope])
    assert charged(scoped, inside) == {"pods": "1"}
    assert charged(scoped, outside) is None


def test_priority_classes_choose_pods() -> None:
    def selecting(operator: str, *values: str) -> dict:
        row = {"scopeName": "PriorityClass", "operator": operator, "values": list(values)}
        return quota({"pods": "5"}, scopeSelector={"matchExpressions": [row]})

    high, none = pod(priorityClassName="high"), pod()
    assert charged(selecting("In", "high"), high) == {"pods": "1"}
    assert charged(selecting("In", "low"), high) is None
    assert charged(selecting("NotIn", "low"), high) == {"pods": "1"}
    assert charged(selecting("Exists"), high) == {"pods": "1"}
    assert charged(selecting("Exists"), none) is None
    assert charged(selecting("DoesNotExist"), none) == {"pods": "1"}


def test_affinity_over_namespaces_chooses_pods() -> None:
    term = {"topologyKey": "k", "namespaces": ["other"]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    scoped = quota({"pods": "5"}, scopes=["CrossNamespacePodAffinity"])
    assert charged(scoped, pod(affinity={"podAffinity": required})) == {"pods": "1"}
    assert charged(scoped, pod()) is None


def test_init_containers_count_where_they_are_hungrier() -> None:
    init = [{"name": "i", "resources": {"requests": {"cpu": "2"}}}]
    used = charged(quota({"cpu": "5"}), pod({"cpu": "1"}, initContainers=init))
    assert used == {"cpu": "2"}


def service(kind: str, ports: int = 1, **spec: object) -> dict:
    return {"spec": {"type": kind, "ports": [{"port": n} for n in range(ports)], **spec}}


@pytest.mark.parametrize(
    ("new", "node_ports", "balancers"),
    [
        (service("ClusterIP"), "0", "0"),
        (service("NodePort", 2), "2", "0"),
        (service("LoadBalancer", 2), "2", "1"),
        (service("LoadBalancer", 2, allocateLoadBalancerNodePorts=False), "0", "1"),
    ],
)
def test_services(new, node_ports, balancers) -> None:
    hard = {"services": "5", "services.nodeports": "5", "services.loadbalancers": "5"}
    assert charged(quota(hard), new, resource=SERVICES) == {
        "services": "1",
        "services.loadbalancers": balancers,
        "services.nodeports": node_ports,
    }


def test_update_is_charged_for_its_growth() -> None:
    of = quota({"services.nodeports": "2"}, {"services.nodeports": "1"})
    before, after = service("NodePort", 1), service("NodePort", 2)
    assert charged(of, after, before, SERVICES) == {"services.nodeports": "2"}
    assert charged(of, before, after, SERVICES) is None
    with pytest.raises(Exceeded):
        charged(of, service("NodePort", 3), before, SERVICES)


def test_claims_by_storage_class() -> None:
    gold = "gold.storageclass.storage.k8s.io"
    hard = {
        "requests.storage": "10Gi",
        "persistentvolumeclaims": "5",
        f"{gold}/requests.storage": "5Gi",
        f"{gold}/persistentvolumeclaims": "1",
    }
    claim = {"spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1Gi"}}}}
    assert charged(quota(hard), claim, resource=PERSISTENTVOLUMECLAIMS) == {
        f"{gold}/persistentvolumeclaims": "1",
        f"{gold}/requests.storage": "1Gi",
        "persistentvolumeclaims": "1",
        "requests.storage": "1Gi",
    }


def test_counts_of_any_kind() -> None:
    assert charged(quota({"count/deployments.apps": "1"}), {}, resource=DEPLOYMENTS) == {
        "count/deployments.apps": "1"
    }
    assert charged(quota({"configmaps": "1"}), {}, resource=CONFIGMAPS) == {"configmaps": "1"}
    assert charged(quota({"count/secrets": "1"}), {}, resource=CONFIGMAPS) is None


def test_usage_is_counted_anew() -> None:
    over = pod({"cpu": "1"}) | {"status": {"phase": "Succeeded"}}
    found = {PODS: [pod({"cpu": "250m"}), pod({"cpu": "1"}), over], CONFIGMAPS: [{}, {}]}
    hard = {"cpu": "5", "pods": "5", "count/pods": "9", "configmaps": "3", "services": "1"}
    assert status_of({"spec": {"hard": hard}}, found, 0.0) == {
        "hard": hard,
        "used": {
            "configmaps": "2",
            "count/pods": "3",
            "cpu": "1250m",
            "pods": "2",
            "services": "0",
        },
    }


def test_pod_past_its_grace_costs_nothing_more() -> None:
    leaving = pod()
    leaving["metadata"] |= {
        "deletionTimestamp": "1970-01-01T00:01:00Z",
        "deletionGracePeriodSeconds": 30,
    }
    evaluator = evaluator_of(PODS)
    assert "pods" in evaluator.usage(leaving, 80.0)
    assert "pods" not in evaluator.usage(leaving, 91.0)
