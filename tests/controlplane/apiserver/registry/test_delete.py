"""What a deletion does, decided on plain objects."""

from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.delete import (
    Keep,
    Remove,
    check_preconditions,
    is_finished,
    plan,
)
from controlplane.apiserver.registry.options import DeleteOptions
from kubeapi.resources import CONFIGMAPS, NAMESPACES, PODS
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
    pod = bound(deletionTimestamp="t", deletionGracePeriodSeconds=10)
    assert plan(POD, pod, DeleteOptions(grace_s=60), NOW) == Keep(pod, changed=False)
    assert plan(POD, pod, DeleteOptions(), NOW) == Keep(pod, changed=False)
    shortened = plan(POD, pod, DeleteOptions(grace_s=3), NOW)
    assert isinstance(shortened, Keep)
    assert shortened.changed
    assert shortened.obj["metadata"]["deletionGracePeriodSeconds"] == 3
    assert plan(POD, shortened.obj, DeleteOptions(grace_s=0), NOW) == Remove()


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
