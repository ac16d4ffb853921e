"""Pods that no kubelet will clean up."""

from __future__ import annotations

from controlplane.controllermanager.podgc.plan import (
    Quarantine,
    failed_patch,
    orphaned,
    out_of_service,
    terminated_surplus,
    unscheduled_terminating,
)


def pod(name, *, node="n1", phase="Running", leaving=False, day=1):
    metadata = {"name": name, "uid": name, "creationTimestamp": f"2026-01-0{day}T00:00:00Z"}
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-09T00:00:00Z"
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": {"phase": phase}}


def names(pods):
    return [one["metadata"]["name"] for one in pods]


def test_of_too_many_finished_pods_the_oldest_go():
    pods = [
        pod("young", phase="Failed", day=3),
        pod("old", phase="Succeeded", day=1),
        pod("runs", day=1),
        pod("middle", phase="Failed", day=2),
    ]
    assert names(terminated_surplus(pods, keep=1)) == ["old", "middle"]
    assert terminated_surplus(pods, keep=3) == []


def test_evicted_pods_go_first_and_a_threshold_of_zero_keeps_all():
    evicted = pod("evicted", phase="Failed", day=3)
    evicted["status"]["reason"] = "Evicted"
    pods = [pod("old", phase="Failed", day=1), evicted]
    assert names(terminated_surplus(pods, keep=1)) == ["evicted"]
    assert terminated_surplus(pods, keep=0) == []


def test_a_pod_that_was_never_scheduled_has_no_kubelet_to_end_it():
    pods = [pod("a", node="", leaving=True), pod("b", node=""), pod("c", leaving=True)]
    assert names(unscheduled_terminating(pods)) == ["a"]


def test_pods_of_gone_nodes():
    assert names(orphaned([pod("a", node="gone"), pod("b")], ["gone"])) == ["a"]


def test_terminating_pods_stay_on_a_lost_node_unless_it_is_out_of_service():
    pods = [pod("a", leaving=True), pod("b")]
    assert out_of_service(pods, []) == []
    assert names(out_of_service(pods, ["n1"])) == ["a"]


def test_a_missing_node_is_gone_after_the_quarantine():
    quarantine = Quarantine(wait_s=40)
    assert quarantine.observe(["n1", "n2", ""], ["n1"], 0.0) == []
    assert quarantine.observe(["n1", "n2"], ["n1"], 39.0) == []
    assert quarantine.observe(["n1", "n2"], ["n1"], 40.0) == ["n2"]


def test_a_node_that_appears_leaves_the_quarantine():
    quarantine = Quarantine(wait_s=40)
    quarantine.observe(["n2"], [], 0.0)
    quarantine.observe(["n2"], ["n2"], 20.0)
    assert quarantine.observe(["n2"], [], 50.0) == []


def test_an_orphan_ends_as_failed():
    patch = failed_patch(pod("a"), "why", "T")
    assert patch["status"]["phase"] == "Failed"
    (target,) = patch["status"]["conditions"]
    assert (target["type"], target["reason"], target["message"]) == (
        "DisruptionTarget",
        "DeletionByPodGC",
        "why",
    )
    assert "phase" not in failed_patch(pod("a", phase="Succeeded"), "m", "T")["status"]


def test_a_pod_that_was_never_scheduled_fails_without_being_disrupted():
    assert failed_patch(pod("a", node="", leaving=True), "", "T")["status"] == {"phase": "Failed"}
