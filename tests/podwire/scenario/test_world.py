"""Facts are drawn from API objects as they are."""

from typing import Any

from podwire.scenario.world import endpoints_of, nodes_of, pods_of, wanted_of


def pod(name: str, *, ready: str = "True", phase: str = "Running", **metadata: Any) -> Any:
    return {
        "metadata": {"name": name, "namespace": "default", "uid": name, **metadata},
        "spec": {"nodeName": "node-1"},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]},
    }


def test_pods_that_end_or_are_deleted_do_not_count() -> None:
    owner = {"kind": "ReplicaSet", "name": "web-5d", "controller": True}
    found = pods_of(
        [
            pod("a", ownerReferences=[owner]),
            pod("b", ready="False"),
            pod("c", deletionTimestamp="2026-01-01T00:00:00Z"),
            pod("d", phase="Succeeded"),
        ]
    )

    assert [(one.key, one.ready, one.owner) for one in found] == [
        ("default/a", True, "web-5d"),
        ("default/b", False, ""),
    ]


def test_nodes_without_a_ready_condition_are_not_ready() -> None:
    ready = {"type": "Ready", "status": "Unknown"}
    node = {"metadata": {"name": "node-1"}, "status": {"conditions": [ready]}}

    assert nodes_of([node, {"metadata": {"name": "node-2"}}]) == {"node-1": False, "node-2": False}


def test_endpoints_count_when_ready_or_unknown_over_all_slices() -> None:
    def one(*endpoints: Any) -> Any:
        labels = {"kubernetes.io/service-name": "web"}
        return {"metadata": {"name": "x", "labels": labels}, "endpoints": list(endpoints)}

    slices = [
        one({"nodeName": "node-2", "conditions": {"ready": True}}, {"nodeName": "node-1"}),
        one({"nodeName": "node-3", "conditions": {"ready": False}}),
    ]

    assert endpoints_of(slices) == {"web": ("node-1", "node-2")}


def test_a_deployment_without_replicas_wants_one() -> None:
    assert wanted_of([{"metadata": {"name": "web"}, "spec": {}}]) == {"web": 1}
