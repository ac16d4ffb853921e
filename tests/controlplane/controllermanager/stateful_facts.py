"""StatefulSets with their pods and claims, as tests of their controller need them."""

from __future__ import annotations

from componentbase.clock import rfc3339
from controlplane.controllermanager.history.revisions import new_revision
from controlplane.controllermanager.statefulset.plan import World
from controlplane.controllermanager.statefulset.pods import new_pod

NOW = 1_000_000.0
CLAIM = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}


def stateful_set(replicas=3, *, policy="OrderedReady", strategy=None, image="new", **spec):
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "web", "namespace": "ns", "uid": "set", "generation": 2},
        "spec": {
            "replicas": replicas,
            "serviceName": "web",
            "podManagementPolicy": policy,
            "selector": {"matchLabels": {"app": "web"}},
            "updateStrategy": strategy or {"type": "RollingUpdate"},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
            **spec,
        },
    }


def revision(one):
    return new_revision(one, 1, None, "controller.kubernetes.io/hash")


def old_of(one):
    """Return the set as it was before its update."""
    template = {**one["spec"]["template"], "spec": {"containers": [{"name": "c", "image": "old"}]}}
    return {**one, "spec": {**one["spec"], "template": template}}


def pod(one, ordinal, *, phase="Running", ready_s=100.0, leaves=False, uid=None):
    """Return a pod of a set, ready for *ready_s* (None: not ready)."""
    made = new_pod(one, one["spec"]["template"], revision(one)["metadata"]["name"], ordinal)
    made["metadata"]["uid"] = uid or f"uid-{ordinal}"
    if leaves:
        made["metadata"]["deletionTimestamp"] = rfc3339(NOW)
    conditions = []
    if ready_s is not None:
        at = rfc3339(NOW - ready_s)
        conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": at}]
    made["status"] = {"phase": phase, "conditions": conditions}
    return made


def world(one, pods, *, claims=(), old=None):
    known = {claim["metadata"]["name"]: claim for claim in claims}
    update = revision(one)
    return World(one, pods, known, revision(old) if old else update, update, NOW)


def names(objects):
    return [one["metadata"]["name"] for one in objects]


def images(pods):
    return [one["spec"]["containers"][0]["image"] for one in pods]
