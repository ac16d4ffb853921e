"""A DaemonSet under random walks: in the end one pod on each node, of the last template."""

from __future__ import annotations

from hypothesis import given
from memory_api import NAMESPACE
from walk import Walk, nth, run, steps, walks

from componentbase.clock import rfc3339
from controlplane.controllermanager.daemon.controller import DaemonSetsController
from controlplane.controllermanager.daemon.pods import target_node
from kubeapi.objects import condition, deep_copy
from kubeapi.resources import CONTROLLERREVISIONS, DAEMONSETS, NODES, PODS

LABELS = {"app": "agent"}
HISTORY = 2


def containers(image):
    return {"containers": [{"name": "c", "image": image}]}


DAEMON_SET = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "agent", "namespace": NAMESPACE},
    "spec": {
        "revisionHistoryLimit": HISTORY,
        "selector": {"matchLabels": LABELS},
        "updateStrategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
        },
        "template": {"metadata": {"labels": LABELS}, "spec": containers("image:0")},
    },
}


class DaemonSetWalk(Walk):
    controllers = ((DAEMONSETS, DaemonSetsController),)

    def __init__(self):
        super().__init__()
        self.made = self.api.put(DAEMONSETS, DAEMON_SET)
        for number in range(3):
            self.a_node_comes(number)

    def roll(self, number):
        spec = {"template": {"spec": containers(f"image:{number % 4}")}}
        self.api.change(DAEMONSETS, self.made, {"spec": spec})

    def a_node_comes(self, number):
        name = f"node-{number % 5}"
        if name not in self.api.store(NODES):
            self.api.put(NODES, {"metadata": {"name": name}, "spec": {}, "status": {}})

    def a_node_goes(self, number):
        """With its pods, as by the garbage collector of pods."""
        if node := nth(self.api.store(NODES).values(), number):
            self.api.end(NODES, node)
            for pod in self.pods():
                if node_of(pod) == node["metadata"]["name"]:
                    self.api.end(PODS, pod)

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
        pod["spec"]["nodeName"] = node_of(pod)
        self.api.put(PODS, {**pod, "status": {"phase": phase, "conditions": [ready]}})

    def tend(self):
        for pod in self.pods():
            gone = node_of(pod) not in self.api.store(NODES)
            if gone or pod["metadata"].get("deletionTimestamp"):
                self.api.end(PODS, pod)
            elif (pod.get("status") or {}).get("phase") != "Failed" and not is_ready(pod):
                self.say(pod, "Running", is_ready=True)

    def pods(self):
        return list(self.api.store(PODS).values())

    def check_always(self):
        active = [
            node_of(pod)
            for pod in self.pods()
            if not pod["metadata"].get("deletionTimestamp")
            and (pod.get("status") or {}).get("phase") != "Failed"
        ]
        assert len(set(active)) == len(active)

    def check_end(self):
        latest = self.api.store(DAEMONSETS)[f"{NAMESPACE}/agent"]
        nodes = sorted(self.api.store(NODES))
        image = latest["spec"]["template"]["spec"]["containers"][0]["image"]
        assert sorted(node_of(pod) for pod in self.pods()) == nodes
        assert {pod["spec"]["containers"][0]["image"] for pod in self.pods()} <= {image}
        status = latest["status"]
        counts = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady")
        more = ("numberAvailable", "updatedNumberScheduled")
        assert [status.get(each, 0) for each in counts + more] == [len(nodes)] * 5
        assert status["numberMisscheduled"] == 0
        assert status["observedGeneration"] == latest["metadata"]["generation"]
        assert len(self.api.store(CONTROLLERREVISIONS)) <= HISTORY + 1


def node_of(pod):
    return pod["spec"].get("nodeName") or target_node(pod)


def is_ready(pod):
    found = condition(pod, "Ready")
    return found is not None and found["status"] == "True"


@walks(60)
@given(
    steps("roll", "a_node_comes", "a_node_goes", "delete_a_pod", *["a_pod_moves"] * 3),
)
def test_each_node_has_one_pod_of_the_last_template(taken):
    run(DaemonSetWalk(), taken).check_end()
