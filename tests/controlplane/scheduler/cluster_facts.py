"""Nodes and pods for the scheduler's tests, said in one line each."""

import random

from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.interface import (
    SKIP,
    Only,
    PreFilterPlugin,
    PreScorePlugin,
    Rejection,
    ScoreExtensions,
)
from controlplane.scheduler.metrics import SchedulerMetrics
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.nominator import Nominator
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.profiles import Profiles
from controlplane.scheduler.schedule_one import Fits
from controlplane.scheduler.scheduler_config import DEFAULT
from controlplane.scheduler.waiting_pods import WaitingPods


def make_pod(name="pod", *, labels=None, owner="", node="", cpu="", memory="", **spec):
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    metadata = {"name": name, "namespace": "ns", "labels": labels or {}, "uid": f"uid-{name}"}
    if owner:
        reference = {"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}
        metadata["ownerReferences"] = [reference]
    container = {"name": "c", "resources": {"requests": requests}}
    if "ports" in spec:
        container["ports"] = spec.pop("ports")
    spec = {"containers": [container], "nodeName": node, **spec}
    return {"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}


def pod_info(name="pod", **facts):
    return PodInfo.from_object(make_pod(name, **facts))


def make_node(name="node", *, labels=None, cpu="4", memory="8Gi", pods="110", **spec):
    allocatable = {"cpu": cpu, "memory": memory, "pods": pods}
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec,
        "status": {"allocatable": allocatable},
    }


def node_info(name="node", running=(), **facts):
    info = NodeInfo(name)
    info.set_node(make_node(name, **facts))
    for pod in running:
        info.add_pod(pod)
    return info


def reasons(plugin, pod, node, others=()):
    """Return why *plugin* refuses *node*; nothing when it does not."""
    nodes = [node, *(other for other in others if other is not node)]
    state = CycleState()
    if isinstance(plugin, PreFilterPlugin):
        answer = plugin.pre_filter(state, pod, nodes)
        if answer is SKIP:
            return ()
        if isinstance(answer, Rejection):
            return answer.reasons
        if isinstance(answer, Only) and node.name not in answer.nodes:
            return ("not among the only nodes",)
    rejection = plugin.filter(state, pod, node)
    return () if rejection is None else rejection.reasons


def scores(plugin, pod, nodes):
    """Return the normalized scores; None when the plugin has nothing to say."""
    state = CycleState()
    if isinstance(plugin, PreScorePlugin) and plugin.pre_score(state, pod, nodes) is SKIP:
        return None
    rated = [plugin.score(state, pod, node) for node in nodes]
    return plugin.normalize(rated) if isinstance(plugin, ScoreExtensions) else rated


class Listers:
    """What a test says of namespaces, budgets, claims, volumes and classes."""

    def __init__(
        self, namespaces=None, budgets=(), claims=(), volumes=(), classes=(), csi=(), **more
    ):
        self._namespaces, self._budgets = namespaces or {}, budgets
        self._claims = {each["metadata"]["name"]: each for each in claims}
        self._volumes = {each["metadata"]["name"]: each for each in volumes}
        self._services = more.pop("services", ())
        self._controllers = more.pop("controllers", {})
        assert not more
        self._csi = {each["metadata"]["name"]: each for each in csi}
        self._classes = {each["metadata"]["name"]: each for each in classes}

    def namespace_labels(self, name):
        return self._namespaces.get(name, {})

    def budgets(self, namespace):
        return [each for each in self._budgets if each["metadata"]["namespace"] == namespace]

    def claim(self, _namespace, name):
        return self._claims.get(name)

    def volume(self, name):
        return self._volumes.get(name)

    def volumes(self):
        return list(self._volumes.values())

    def storage_class(self, name):
        return self._classes.get(name)

    def services(self, _namespace):
        return self._services

    def controller(self, kind, _namespace, name):
        return self._controllers.get((kind, name))

    def csi_node(self, name):
        return self._csi.get(name)


class World:
    """Profiles over nodes: what the scheduler's shell has, without a server."""

    def __init__(self, nodes=(), *, config=DEFAULT, listers=None, seed=1):
        self.nominator, self.waiting = Nominator(), WaitingPods()
        self.metrics = SchedulerMetrics()
        self.cache = self
        self._nodes = list(nodes)
        self.bound = []
        self.profiles = Profiles(
            config,
            random.Random(seed),
            cache=self,
            nominator=self.nominator,
            listers=listers or Listers(),
            binder=self,
            volumes=self,
            waiting=self.waiting,
            laps=lambda profile: self.metrics.laps(profile, lambda: 0.0),
        )

    def nodes(self):
        return self._nodes

    async def bind(self, pod, node_name):
        self.bound.append((pod.key, node_name))

    def schedule(self, pod):
        return self.profiles.of(pod)[1].schedule(pod, self._nodes)

    def run(self, pod):
        """Schedule *pod* and have it run; return its node's name."""
        found = self.schedule(pod)
        assert isinstance(found, Fits), found
        next(node for node in self._nodes if node.name == found.node_name).add_pod(pod)
        return found.node_name
