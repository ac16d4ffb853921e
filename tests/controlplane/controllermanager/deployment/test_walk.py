"""A Deployment and its ReplicaSets under random walks: one rollout, whoever dies when."""

from __future__ import annotations

from hypothesis import given
from memory_api import NAMESPACE
from walk import Walk, nth, run, steps, walks

from componentbase.clock import rfc3339
from controlplane.controllermanager.deployment.controller import DeploymentController
from controlplane.controllermanager.replicaset.controller import ReplicaSetController
from kubeapi.objects import condition, controller_of, deep_copy
from kubeapi.resources import DEPLOYMENTS, PODS, REPLICASETS

REVISION = "deployment.kubernetes.io/revision"
LABELS = {"app": "web"}
SIZES = (3, 0, 1, 4, 7)
HISTORY = 2


def containers(image):
    return {"containers": [{"name": "c", "image": image}]}


def deployment(strategy):
    template = {"metadata": {"labels": LABELS}, "spec": containers("image:0")}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {
            "replicas": 3,
            "revisionHistoryLimit": HISTORY,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": LABELS},
            "strategy": {"type": strategy},
            "template": template,
        },
    }


class DeploymentWalk(Walk):
    controllers = ((DEPLOYMENTS, DeploymentController), (REPLICASETS, ReplicaSetController))

    def __init__(self, strategy):
        super().__init__()
        self.most = {}
        self.made = self.api.put(DEPLOYMENTS, deployment(strategy))

    # What users do.

    def scale(self, number):
        self.change({"replicas": SIZES[number % len(SIZES)]})

    def roll(self, number):
        self.change({"template": {"spec": containers(f"image:{number % 4}")}})

    def pause(self, number):
        self.change({"paused": bool(number % 2)})

    def change(self, spec):
        self.api.change(DEPLOYMENTS, self.made, {"spec": spec})

    def delete_a_pod(self, number):
        if pod := nth(self.api.store(PODS).values(), number):
            self.api.leave(PODS, pod)

    def delete_a_replica_set(self, number):
        """With its pods, as by the garbage collector."""
        if one := nth(self.api.store(REPLICASETS).values(), number):
            self.api.end(REPLICASETS, one)
            for pod in self.pods():
                if controller_of(pod)["uid"] == one["metadata"]["uid"]:
                    self.api.end(PODS, pod)

    # What nodes do.

    def a_pod_moves(self, number):
        pod = nth(self.pods(), number)
        if pod is None:
            return
        if pod["metadata"].get("deletionTimestamp"):
            self.api.end(PODS, pod)
        else:
            self.say(pod, "Running" if number % 5 else "Failed", is_ready=bool(number % 3))

    def say(self, pod, phase, *, is_ready):
        at = rfc3339(self.api.now)
        ready = {"type": "Ready", "status": str(is_ready), "lastTransitionTime": at}
        pod = deep_copy(pod)
        pod["spec"]["nodeName"] = "node"
        self.api.put(PODS, {**pod, "status": {"phase": phase, "conditions": [ready]}})

    def tend(self):
        if self.latest()["spec"].get("paused"):
            self.change({"paused": False})
        owners = [one["metadata"]["uid"] for one in self.api.store(REPLICASETS).values()]
        for pod in self.pods():
            orphaned = controller_of(pod)["uid"] not in owners  # The garbage collector has it.
            if orphaned or pod["metadata"].get("deletionTimestamp") or phase(pod) == "Failed":
                self.api.end(PODS, pod)
            elif not is_ready(pod):
                self.say(pod, "Running", is_ready=True)

    # What holds.

    def pods(self):
        return list(self.api.store(PODS).values())

    def latest(self):
        return self.api.store(DEPLOYMENTS)[f"{NAMESPACE}/web"]

    def check_always(self):
        active = {}
        for pod in self.pods():
            if phase(pod) != "Failed" and not pod["metadata"].get("deletionTimestamp"):
                uid = controller_of(pod)["uid"]
                active[uid] = active.get(uid, 0) + 1
        for one in self.api.store(REPLICASETS).values():
            uid = one["metadata"]["uid"]
            self.most[uid] = max(self.most.get(uid, 0), one["spec"]["replicas"])
            assert active.get(uid, 0) <= self.most[uid]

    def check_end(self):
        latest, sets = self.latest(), list(self.api.store(REPLICASETS).values())
        wanted, image = latest["spec"]["replicas"], image_of(latest["spec"]["template"])
        new = [one for one in sets if image_of(one["spec"]["template"]) == image]
        assert len(new) == 1
        assert [one["spec"]["replicas"] for one in sets if one not in new] == [0] * (len(sets) - 1)
        assert len(sets) - 1 <= HISTORY
        assert {image_of(pod) for pod in self.pods()} <= {image}
        assert len(self.pods()) == wanted
        status = latest["status"]
        counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        assert [status.get(each, 0) for each in counts] == [wanted] * 4
        assert status["observedGeneration"] == latest["metadata"]["generation"]
        assert condition(latest, "Progressing")["reason"] == "NewReplicaSetAvailable"
        assert condition(latest, "Available")["status"] == "True"
        revisions = [int(one["metadata"]["annotations"][REVISION]) for one in sets]
        assert len(set(revisions)) == len(sets)
        assert latest["metadata"]["annotations"][REVISION] == str(max(revisions))
        assert new[0]["metadata"]["annotations"][REVISION] == str(max(revisions))


def phase(pod):
    return (pod.get("status") or {}).get("phase", "Pending")


def is_ready(pod):
    found = condition(pod, "Ready")
    return found is not None and found["status"] == "True"


def image_of(template):
    return template["spec"]["containers"][0]["image"]


WHAT_HAPPENS = ("scale", "roll", "pause", "delete_a_pod", "delete_a_replica_set", "a_pod_moves")


@walks(60)
@given(steps(*WHAT_HAPPENS, "a_pod_moves"))
def test_a_rolling_update_ends_where_its_last_template_says(taken):
    run(DeploymentWalk("RollingUpdate"), taken).check_end()


@walks(40)
@given(steps(*WHAT_HAPPENS, "a_pod_moves"))
def test_a_recreation_ends_where_its_last_template_says(taken):
    run(DeploymentWalk("Recreate"), taken).check_end()
