"""A StatefulSet under random walks: each name is one pod's, and all end at the last template."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from memory_api import NAMESPACE
from walk import Walk, nth, run, steps, walks

from componentbase.clock import rfc3339
from controlplane.controllermanager.statefulset.controller import StatefulSetController
from kubeapi.objects import condition, deep_copy
from kubeapi.resources import CONTROLLERREVISIONS, PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS

LABELS = {"app": "db"}
SIZES = (3, 0, 1, 4)
HISTORY = 2


def containers(image):
    return {"containers": [{"name": "c", "image": image}]}


def stateful_set(management):
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": NAMESPACE},
        "spec": {
            "replicas": 3,
            "serviceName": "db",
            "podManagementPolicy": management,
            "revisionHistoryLimit": HISTORY,
            "selector": {"matchLabels": LABELS},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "template": {"metadata": {"labels": LABELS}, "spec": containers("image:0")},
            "volumeClaimTemplates": [claim],
        },
    }


class StatefulSetWalk(Walk):
    controllers = ((STATEFULSETS, StatefulSetController),)

    def __init__(self, management):
        super().__init__()
        self.made = self.api.put(STATEFULSETS, stateful_set(management))

    def scale(self, number):
        self.change({"replicas": SIZES[number % len(SIZES)]})

    def roll(self, number):
        self.change({"template": {"spec": containers(f"image:{number % 4}")}})

    def change(self, spec):
        self.api.change(STATEFULSETS, self.made, {"spec": spec})

    def delete_a_pod(self, number):
        if pod := nth(self.pods(), number):
            self.api.leave(PODS, pod)

    def a_pod_moves(self, number):
        pod = nth(self.pods(), number)
        if pod is None:
            return
        if pod["metadata"].get("deletionTimestamp"):
            self.api.end(PODS, pod)
        else:
            self.say(pod, "Running" if number % 7 else "Failed", is_ready=bool(number % 3))

    def say(self, pod, phase, *, is_ready):
        at = rfc3339(self.api.now)
        ready = {"type": "Ready", "status": str(is_ready), "lastTransitionTime": at}
        pod = deep_copy(pod)
        pod["spec"]["nodeName"] = "node"
        self.api.put(PODS, {**pod, "status": {"phase": phase, "conditions": [ready]}})

    def tend(self):
        for pod in self.pods():
            if pod["metadata"].get("deletionTimestamp"):
                self.api.end(PODS, pod)
            elif (pod.get("status") or {}).get("phase") != "Failed" and not is_ready(pod):
                self.say(pod, "Running", is_ready=True)

    def pods(self):
        return list(self.api.store(PODS).values())

    def check_end(self):
        latest = self.api.store(STATEFULSETS)[f"{NAMESPACE}/db"]
        wanted = latest["spec"]["replicas"]
        image = latest["spec"]["template"]["spec"]["containers"][0]["image"]
        names = [f"db-{number}" for number in range(wanted)]
        assert sorted(pod["metadata"]["name"] for pod in self.pods()) == names
        assert all(is_ready(pod) for pod in self.pods())
        assert {pod["spec"]["containers"][0]["image"] for pod in self.pods()} <= {image}
        claims = [
            claim["metadata"]["name"] for claim in self.api.store(PERSISTENTVOLUMECLAIMS).values()
        ]
        assert {f"data-{name}" for name in names} <= set(claims)
        status = latest["status"]
        counts = ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas")
        assert [status.get(each, 0) for each in counts] == [wanted] * 4
        assert status["currentRevision"] == status["updateRevision"]
        assert status["observedGeneration"] == latest["metadata"]["generation"]
        assert len(self.api.store(CONTROLLERREVISIONS)) <= HISTORY + 1


def is_ready(pod):
    found = condition(pod, "Ready")
    return found is not None and found["status"] == "True"


@walks(60)
@given(
    st.sampled_from(["OrderedReady", "Parallel"]),
    steps("scale", "roll", "delete_a_pod", "a_pod_moves", "a_pod_moves", "a_pod_moves"),
)
def test_each_name_is_one_pods_and_all_end_at_the_last_template(management, taken):
    run(StatefulSetWalk(management), taken).check_end()
