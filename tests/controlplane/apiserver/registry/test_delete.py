"""What a deletion does, decided on plain objects."""

from __future__ import annotations

import pytest

from componentbase.clock import rfc3339
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.delete import (
    Keep,
    Remove,
    check_preconditions,
    is_finished,
    plan,
)
from controlplane.apiserver.registry.options import DeleteOptions
from kubeapi.resources import CONFIGMAPS, JOBS, NAMESPACES, PODS
from kubeapi.status import StatusError

PLAIN = Kind(resource=CONFIGMAPS, singular="configmap")
POD = Kind(resource=PODS, singular="pod", grace_s=lambda _pod: 30)
NAMESPACE = Kind(resource=NAMESPACES, singular="namespace")
NOW = 1_000_000.0


def made(**metadata) -> dict:
    return {"metadata": {"name": "x", "uid": "u", "resourceVersion": "5", **metadata}}


def bound(phase: str = "Running", **metadata) -> dict:
    return {**made(**metadata), "spec": {"nodeName": "n"}, "status": {"phase": phase}}


def test_plain_objects_go_at_once():
    assert plan(PLAIN, made(), DeleteOptions(grace_s=30), NOW) == Remove()


@pytest.mark.parametrize(
    ("pod", "asked", "grace"),
    [
        (bound(), None, 30),
        (bound(), 5, 5),
        (bound(), 0, None),
        (bound("Succeeded"), None, None),
        (bound("Failed"), 10, None),
        ({**made(), "spec": {}}, 10, None),
    ],
)
def test_grace_of_pods(pod, asked, grace):
    action = plan(POD, pod, DeleteOptions(grace_s=asked), NOW)
    if grace is None:
        assert action == Remove()
        return
    assert isinstance(action, Keep)
    assert action.changed
    assert action.obj["metadata"]["deletionGracePeriodSeconds"] == grace


def test_grace_is_only_ever_shortened():
    pod = bound(deletionTimestamp=rfc3339(NOW + 8), deletionGracePeriodSeconds=10)
    assert plan(POD, pod, DeleteOptions(grace_s=60), NOW) == Keep(pod, changed=False)
    assert plan(POD, pod, DeleteOptions(), NOW) == Keep(pod, changed=False)
    shortened = plan(POD, pod, DeleteOptions(grace_s=3), NOW)
    assert isinstance(shortened, Keep)
    assert shortened.changed
    assert shortened.obj["metadata"]["deletionGracePeriodSeconds"] == 3
    assert shortened.obj["metadata"]["deletionTimestamp"] == rfc3339(NOW + 1)
    assert plan(POD, shortened.obj, DeleteOptions(grace_s=0), NOW) == Remove()


def test_who_has_had_his_grace_is_left_a_second_to_see_it():
    pod = bound(deletionTimestamp=rfc3339(NOW + 1), deletionGracePeriodSeconds=30)
    shortened = plan(POD, pod, DeleteOptions(grace_s=5), NOW)
    assert isinstance(shortened, Keep)
    assert shortened.obj["metadata"]["deletionTimestamp"] == rfc3339(NOW)
    assert shortened.obj["metadata"]["deletionGracePeriodSeconds"] == 1


def test_how_dependents_are_treated_is_settled_while_a_pod_ends():
    pod = bound(deletionTimestamp=rfc3339(NOW + 8), deletionGracePeriodSeconds=10)
    again = plan(POD, pod, DeleteOptions(propagation="Foreground"), NOW)
    assert again == Keep(pod, changed=False)
    assert "finalizers" not in pod["metadata"]


#: Finalizers and options → what is left of the finalizers (upstream: TestStoreDeletionPropagation
#: and TestDeleteWithCachedObject's table of policies).
PROPAGATIONS = {
    ((), ""): None,
    ((), "Background"): None,
    ((), "Foreground"): ["foregroundDeletion"],
    ((), "Orphan"): ["orphan"],
    (("orphan",), ""): ["orphan"],
    (("foregroundDeletion",), ""): ["foregroundDeletion"],
    (("orphan",), "Foreground"): ["foregroundDeletion"],
    (("foregroundDeletion",), "Orphan"): ["orphan"],
    (("orphan",), "Background"): None,
    (("a/b", "orphan"), "Background"): ["a/b"],
    (("a/b", "foregroundDeletion"), "Orphan"): ["a/b", "orphan"],
    (("a/b",), "Foreground"): ["a/b", "foregroundDeletion"],
}


@pytest.mark.parametrize(("held", "asked"), PROPAGATIONS)
def test_how_dependents_are_treated(held, asked):
    obj = made(finalizers=list(held), generation=3)
    action = plan(PLAIN, obj, DeleteOptions(propagation=asked), NOW)
    left = PROPAGATIONS[held, asked]
    if left is None:
        assert action == Remove()
        return
    assert isinstance(action, Keep)
    metadata = action.obj["metadata"]
    assert metadata["finalizers"] == left
    assert (metadata["generation"], metadata["deletionGracePeriodSeconds"]) == (4, 0)
    again = plan(PLAIN, action.obj, DeleteOptions(), NOW + 5)
    assert again == Keep(action.obj, changed=False)


@pytest.mark.parametrize(("asked", "left"), [("", ["orphan"]), ("Background", None)])
def test_kinds_that_orphan_by_default(asked, left):
    job = Kind(resource=JOBS, singular="job", default_propagation="Orphan")
    action = plan(job, made(), DeleteOptions(propagation=asked), NOW)
    assert (action == Remove()) is (left is None)
    if left is not None:
        assert isinstance(action, Keep)
        assert action.obj["metadata"]["finalizers"] == left


def test_finalizers_keep_an_object():
    action = plan(PLAIN, made(finalizers=["f"]), DeleteOptions(), NOW)
    assert isinstance(action, Keep)
    assert action.obj["metadata"]["deletionTimestamp"] == "1970-01-12T13:46:40Z"
    assert not is_finished(PLAIN, action.obj)
    action.obj["metadata"]["finalizers"] = []
    assert is_finished(PLAIN, action.obj)


def test_namespaces_wait_for_the_finalizers_of_their_spec():
    namespace = {**made(), "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    action = plan(NAMESPACE, namespace, DeleteOptions(), NOW)
    assert isinstance(action, Keep)
    assert action.obj["status"]["phase"] == "Terminating"


def test_the_last_word_on_propagation_counts():
    first = plan(PLAIN, made(), DeleteOptions(propagation="Foreground"), NOW)
    assert isinstance(first, Keep)
    assert first.obj["metadata"]["finalizers"] == ["foregroundDeletion"]
    silent = plan(PLAIN, first.obj, DeleteOptions(), NOW)
    assert silent == Keep(first.obj, changed=False)
    assert plan(PLAIN, first.obj, DeleteOptions(propagation="Background"), NOW) == Remove()


def test_preconditions():
    check_preconditions(PLAIN, made(), DeleteOptions(uid="u", resource_version="5"))
    for options in (DeleteOptions(uid="v"), DeleteOptions(resource_version="4")):
        with pytest.raises(StatusError) as refused:
            check_preconditions(PLAIN, made(), options)
        assert refused.value.reason == "Conflict"
        assert "in the precondition" in str(refused.value)
