"""Admission on the node (upstream: lifecycle/predicate_test.go, by the names of its tests)."""

import pytest

from nodeagent.kubelet.predicates import refuse

ALLOCATABLE = {"cpu": "10m", "memory": "20", "pods": "32", "ephemeral-storage": "40"}
NODE = {"metadata": {"name": "node-1", "labels": {"zone": "a", "cpus": "8"}}, "spec": {}}


def pod(cpu: str = "", memory: str = "", **spec) -> dict:
    requests = {k: v for k, v in {"cpu": cpu, "memory": memory}.items() if v}
    container = {"name": "c", "resources": {"requests": requests}}
    return {"metadata": {"name": "p", "uid": "p"}, "spec": {"containers": [container], **spec}}


def refused(wanted: dict, *others: dict, node: dict = NODE) -> tuple[str, str] | None:
    return refuse(wanted, others, node, ALLOCATABLE)


@pytest.mark.parametrize(
    ("others", "wanted", "expected"),
    [
        ([("5m", "19")], ("1m", "1"), None),
        (
            [("5m", "19")],
            ("8m", "2"),
            (
                "OutOfcpu",
                "Node didn't have enough resource: cpu, requested: 8, used: 5, capacity: 10",
            ),
        ),
        (
            [("5m", "19")],
            ("5m", "2"),
            (
                "OutOfmemory",
                "Node didn't have enough resource: memory, requested: 2, used: 19, capacity: 20",
            ),
        ),
        ([("10m", "20")], ("", ""), None),
    ],
    ids=["fits", "cpu", "memory", "asks-for-nothing"],
)
def test_general_predicates_resources(others, wanted, expected):
    assert refused(pod(*wanted), *(pod(*each) for each in others)) == expected


def test_general_predicates_counts_pods():
    others = [pod()] * 32
    assert refused(pod(), *others) == (
        "OutOfpods",
        "Node didn't have enough resource: pods, requested: 1, used: 32, capacity: 32",
    )
    assert refused(pod(), *others[1:]) is None


def affinity(*expressions: dict, fields=()) -> dict:
    term = {"matchExpressions": list(expressions), "matchFields": list(fields)}
    required = {"nodeSelectorTerms": [term]}
    key = "requiredDuringSchedulingIgnoredDuringExecution"
    return {"affinity": {"nodeAffinity": {key: required}}}


@pytest.mark.parametrize(
    ("spec", "taken"),
    [
        ({"nodeSelector": {"zone": "a"}}, True),
        ({"nodeSelector": {"zone": "b"}}, False),
        (affinity({"key": "zone", "operator": "In", "values": ["a", "b"]}), True),
        (affinity({"key": "zone", "operator": "DoesNotExist"}), False),
        (affinity({"key": "cpus", "operator": "Gt", "values": ["4"]}), True),
        (affinity(fields=[{"key": "metadata.name", "operator": "In", "values": ["x"]}]), False),
        (affinity(), False),
    ],
    ids=["selector", "other", "in", "not-there", "greater", "name", "empty-term"],
)
def test_general_predicates_node_affinity(spec, taken):
    found = refused(pod(**spec))
    assert (found is None) is taken
    if found is not None:
        assert found == (
            "NodeAffinity",
            "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        )


TAINTED = {**NODE, "spec": {"taints": [{"key": "foo", "value": "v", "effect": "NoExecute"}]}}
STATIC = {"name": "p", "uid": "p", "annotations": {"kubernetes.io/config.source": "file"}}


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (pod(), False),
        (pod(tolerations=[{"key": "foo", "operator": "Exists"}]), True),
        (pod(tolerations=[{"key": "foo", "value": "v", "effect": "NoExecute"}]), True),
        (pod(tolerations=[{"key": "foo", "value": "w"}]), False),
        (pod(tolerations=[{"operator": "Exists", "effect": "NoSchedule"}]), False),
        (pod() | {"metadata": STATIC}, True),
    ],
    ids=["untolerated", "exists", "equal", "other-value", "other-effect", "static"],
)
def test_general_predicates_no_execute_taints(wanted, taken):
    found = refused(wanted, node=TAINTED)
    assert (found is None) is taken
    assert found is None or found[0] == "TaintToleration"


def test_reject_pod_admission_based_on_os_field():
    assert refused(pod(os={"name": "windows"}))[0] == "PodOSNotSupported"
    assert refused(pod(os={"name": "linux"})) is None
