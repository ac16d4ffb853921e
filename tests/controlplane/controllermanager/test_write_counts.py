"""A Deployment 10 → 100 → 10: no controller makes more than 1.2 × the necessary writes.

Necessary are: a create or a delete for each pod that comes or goes; a write for each size that a
ReplicaSet is given; and, of statuses and endpoints, one for all that changes within `GATHERED_S`,
for somebody who watches a rollout must see it move. What is refused, what changes nothing and
what could have been part of the write before it is too much.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict

from memory_api import NAMESPACE
from virtual_time import LiveApi, run

from componentbase.clock import rfc3339
from componentbase.tasks import Tasks
from controlplane.controllermanager.deployment.controller import DeploymentController
from controlplane.controllermanager.endpoint.controller import EndpointsController
from controlplane.controllermanager.endpointslice.controller import EndpointSliceController
from controlplane.controllermanager.replicaset.controller import ReplicaSetController
from kubeapi.objects import deep_copy
from kubeapi.resources import DEPLOYMENTS, ENDPOINTSLICES, NODES, PODS, SERVICES

CONTROLLERS = {
    "deployment": DeploymentController,
    "replicaset": ReplicaSetController,
    "endpointslice": EndpointSliceController,
    "endpoint": EndpointsController,
}
FACTOR = 1.2
GATHERED_S = 0.03
#: How fast nodes start and end pods, one after the other.
START_S, END_S = 0.012, 0.004
LABELS = {"app": "web"}


def deployment(replicas):
    template = {
        "metadata": {"labels": LABELS},
        "spec": {"containers": [{"name": "c", "image": "nginx"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": LABELS},
            "progressDeadlineSeconds": 600,
            "template": template,
        },
    }


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": NAMESPACE},
    "spec": {"selector": LABELS, "ports": [{"port": 80}], "clusterIP": "10.96.0.9"},
}


class Nodes:
    """Starts pods and ends them, one at a time."""

    def __init__(self, api):
        self._api, self._todo = api, asyncio.Queue()
        api.informer(PODS).add_handler(
            on_add=self._todo.put_nowait, on_update=lambda _old, new: self._todo.put_nowait(new)
        )
        self._addresses = 0

    async def run(self):
        while True:
            pod = await self._todo.get()
            pod = self._api.store(PODS).get(f"{NAMESPACE}/{pod['metadata']['name']}")
            if pod is None:
                continue
            if pod["metadata"].get("deletionTimestamp"):
                await asyncio.sleep(END_S)
                self._api.end(PODS, pod)
            elif not pod.get("status"):
                await asyncio.sleep(START_S)
                self._start(deep_copy(pod))

    def _start(self, pod):
        self._addresses += 1
        address = f"10.244.0.{self._addresses}"
        at = rfc3339(self._api.now)
        pod["spec"]["nodeName"] = "node"
        pod["status"] = {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": at}],
        }
        self._api.put(PODS, pod)


async def settled(api, replicas):
    """Wait until all is as wanted, and nobody has written for two seconds."""
    async with asyncio.timeout(60):
        while True:
            one = api.store(DEPLOYMENTS)[f"{NAMESPACE}/web"].get("status") or {}
            slices = api.store(ENDPOINTSLICES).values()
            listed = sum(len(each.get("endpoints") or ()) for each in slices)
            quiet = not api.history or api.now - api.history[-1][0] > 2
            if quiet and one.get("availableReplicas") == replicas == listed:
                assert len(api.store(PODS)) == replicas
                return
            await asyncio.sleep(0.1)


async def scaled():
    api = LiveApi()
    api.put(NODES, {"metadata": {"name": "node"}})
    api.put(SERVICES, SERVICE)
    made = api.put(DEPLOYMENTS, deployment(10))
    tasks = Tasks()
    for name, factory in CONTROLLERS.items():
        tasks.spawn(factory(api.written_by(name)).run(), name=name)
    tasks.spawn(Nodes(api).run(), name="nodes")
    await settled(api, 10)
    api.history.clear()
    for replicas in (100, 10):
        api.change(DEPLOYMENTS, made, {"spec": {"replicas": replicas}})
        await settled(api, replicas)
    history = list(api.history)
    await asyncio.sleep(700)  # Past the progress deadline: nobody has anything to say.
    assert api.history == history
    await tasks.close()
    return history


def necessary(history):
    """Return how many writes each controller could not do without."""
    counted, last = Counter(), {}
    for at, writer, verb, (plural, subresource, name), changed in history:
        if not changed:
            continue
        if plural == "pods" or (plural == "replicasets" and not subresource):
            counted[writer] += 1
        elif verb != "update" or at - last.get((writer, plural, name), -1.0) > GATHERED_S - 0.001:
            last[writer, plural, name] = at
            counted[writer] += 1
    return counted


def test_a_deployment_is_scaled_up_and_down_with_few_writes():
    history = run(scaled())
    made = Counter(writer for _, writer, *_ in history)
    needed = necessary(history)
    by_kind = defaultdict(Counter)
    for _, writer, verb, (plural, subresource, _), _ in history:
        by_kind[writer][verb, plural, subresource] += 1
    for writer in CONTROLLERS:
        assert made[writer] <= FACTOR * needed[writer], by_kind[writer]
    assert by_kind["replicaset"]["create", "pods", ""] == 90
    assert by_kind["replicaset"]["delete", "pods", ""] == 90
    assert by_kind["deployment"]["update", "replicasets", ""] == 2
