"""Revisions as `kubectl rollout history` and `undo` see them."""

from __future__ import annotations

from controlplane.controllermanager.deployment import history, revision
from controlplane.controllermanager.deployment.view import view_of

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"


def replica_set(name, image, number, *, wanted=0, replicas=0, observed=1, past=None):
    annotations = {REVISION: str(number)}
    if past:
        annotations[HISTORY] = past
    return {
        "metadata": {
            "name": name,
            "annotations": annotations,
            "creationTimestamp": f"2026-01-0{number}T00:00:00Z",
            "generation": 1,
        },
        "spec": {"replicas": wanted, "template": {"spec": {"image": image}}},
        "status": {"replicas": replicas, "observedGeneration": observed},
    }


def deployment(image, *, annotations=None, limit=None):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "ns",
            "uid": "d-1",
            "annotations": annotations or {},
        },
        "spec": {
            "replicas": 3,
            "minReadySeconds": 5,
            "revisionHistoryLimit": limit,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"image": image}},
        },
    }


def test_the_first_replica_set_has_revision_one_and_the_templates_hash_everywhere():
    made = revision.new_replica_set(
        view_of(deployment("a", annotations={"kubernetes.io/change-cause": "first"}), [])
    )
    suffix = made["metadata"]["labels"]["pod-template-hash"]
    assert made["metadata"]["name"] == f"web-{suffix}"
    assert made["metadata"]["annotations"] == {
        REVISION: "1",
        "kubernetes.io/change-cause": "first",
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
    }
    assert made["metadata"]["ownerReferences"][0]["uid"] == "d-1"
    assert made["spec"]["replicas"] == 3
    assert made["spec"]["minReadySeconds"] == 5
    wanted = {"app": "web", "pod-template-hash": suffix}
    assert made["spec"]["selector"]["matchLabels"] == wanted
    assert made["spec"]["template"]["metadata"]["labels"] == wanted


def test_the_deployments_own_template_is_not_touched():
    one = deployment("a")
    revision.new_replica_set(view_of(one, []))
    assert one["spec"]["template"]["metadata"]["labels"] == {"app": "web"}


def test_the_next_revision_is_above_all_old_ones():
    made = revision.new_replica_set(
        view_of(deployment("c"), [replica_set("x", "a", 4), replica_set("y", "b", 2)])
    )
    assert made["metadata"]["annotations"][REVISION] == "5"


def test_a_template_that_comes_back_moves_up_and_remembers():
    old, new = replica_set("one", "a", 1, past="0"), replica_set("two", "b", 2)
    one = deployment("a")
    one["spec"]["template"].pop("metadata")
    wanted = revision.refreshed(view_of(one, [old, new]))
    assert wanted is not None
    assert wanted["metadata"]["name"] == "one"
    assert wanted["metadata"]["annotations"] == {REVISION: "3", HISTORY: "0,1"}
    assert wanted["spec"]["minReadySeconds"] == 5


def test_what_is_up_to_date_is_left_alone():
    one = deployment("a")
    one["spec"]["template"].pop("metadata")
    current = replica_set("one", "a", 1)
    current["spec"]["minReadySeconds"] = 5
    assert revision.refreshed(view_of(one, [current])) is None
    assert revision.refreshed(view_of(deployment("z"), [current])) is None


def test_annotations_of_one_object_only_are_not_copied():
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}", REVISION: "9"}
    made = revision.new_replica_set(view_of(deployment("a", annotations=annotations), []))
    assert made["metadata"]["annotations"][REVISION] == "1"
    assert "kubectl.kubernetes.io/last-applied-configuration" not in made["metadata"]["annotations"]


def test_the_history_annotation_is_bounded():
    past = ",".join(str(number) for number in range(1000, 1500))
    annotations = revision.replica_set_annotations(
        view_of(deployment("z"), [replica_set("x", "a", 8)]), {REVISION: "7", HISTORY: past}
    )
    assert len(annotations[HISTORY]) <= 2000
    assert annotations[HISTORY].endswith(",1499,7")


def test_history_limit_deletes_the_lowest_empty_revisions():
    sets = [replica_set(f"r{number}", f"image-{number}", number) for number in (3, 1, 2, 4)]
    view = view_of(deployment("new", limit=2), sets)
    assert [one["metadata"]["name"] for one in history.surplus(view)] == ["r1", "r2"]
    assert history.surplus(view_of(deployment("new"), sets)) == []


def test_history_keeps_what_still_has_or_may_have_pods():
    sets = [
        replica_set("wants", "a", 1, wanted=1),
        replica_set("has", "b", 2, replicas=1),
        replica_set("unseen", "c", 3, observed=0),
        replica_set("empty", "d", 4),
    ]
    view = view_of(deployment("new", limit=0), sets)
    assert [one["metadata"]["name"] for one in history.surplus(view)] == ["empty"]


def test_a_revision_that_is_no_number_stays_and_stops_nothing():
    """SetNewReplicaSetAnnotations: somebody wrote something else, and it is left to them."""
    old = replica_set("old", "a", 1)
    new = replica_set("new", "b", 2)
    new["metadata"]["annotations"][REVISION] = "garbage"
    old["metadata"]["annotations"][REVISION] = "rubbish"
    view = view_of(deployment("b"), [old, new])
    made = revision.replica_set_annotations(view, new["metadata"]["annotations"])
    assert made[REVISION] == "garbage"
    assert HISTORY not in made
    assert revision.next_revision(view) == 1
    empty = revision.replica_set_annotations(view, {REVISION: ""})
    assert empty[REVISION] == "1"
