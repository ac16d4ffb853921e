"""What a daemon's pod is made of."""

from __future__ import annotations

from daemon_facts import daemon_set, names, pod

from controlplane.controllermanager.daemon.pods import (
    is_updated,
    oldest_first,
    pod_for,
    target_node,
)

PREFERRED = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {}}]}


def test_a_pod_names_its_node_and_revision():
    one = daemon_set()
    one["metadata"]["annotations"] = {"deprecated.daemonset.template.generation": "4"}
    made = pod_for(one, "hash", "node-7")
    assert target_node(made) == "node-7"
    assert "nodeName" not in made["spec"]
    assert made["metadata"]["generateName"] == "ds-"
    assert made["metadata"]["labels"] == {
        "app": "ds",
        "controller-revision-hash": "hash",
        "pod-template-generation": "4",
    }
    assert "tolerations" not in one["spec"]["template"]["spec"]  # The template stays as it is.


def test_required_terms_are_replaced_and_preferred_ones_kept():
    required = {"nodeSelectorTerms": [{"matchExpressions": []}]}
    affinity = {"requiredDuringSchedulingIgnoredDuringExecution": required, **PREFERRED}
    made = pod_for(daemon_set(affinity={"nodeAffinity": affinity}), "hash", "n")
    assert target_node(made) == "n"
    node_affinity = made["spec"]["affinity"]["nodeAffinity"]
    assert len(node_affinity) == 2
    assert node_affinity["preferredDuringSchedulingIgnoredDuringExecution"]


def test_a_pod_of_nobodys_node_has_no_target():
    assert target_node({"metadata": {}, "spec": {}}) == ""


def test_a_pod_is_updated_by_hash_or_by_generation():
    one = daemon_set()
    assert is_updated(pod("p", "a", of="x"), one, "x")
    assert not is_updated(pod("p", "a", of="y"), one, "x")
    one["metadata"]["annotations"] = {"deprecated.daemonset.template.generation": "2"}
    by_generation = pod("p", "a", of="y")
    by_generation["metadata"]["labels"]["pod-template-generation"] = "2"
    assert is_updated(by_generation, one, "x")


def test_bound_pods_come_first():
    pods = [pod("a", "n", bound=False), pod("c", "n"), pod("b", "n")]
    assert [one["metadata"]["name"] for one in oldest_first(pods)] == ["b", "c", "a"]
    assert names(pods) == ["a", "b", "c"]
