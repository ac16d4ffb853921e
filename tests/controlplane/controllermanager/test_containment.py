"""What goes wrong in one place stays there: other controllers and other objects do not notice.

Real controllers on a virtual clock. Work on what cannot succeed is bounded by the back-off, and
is told of once.
"""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace

import pytest
from memory_api import NAMESPACE
from virtual_time import LiveApi, run

from componentbase.clock import rfc3339
from componentbase.tasks import Tasks
from controlplane.controllermanager import run as manager
from controlplane.controllermanager.daemon.controller import DaemonSetsController
from controlplane.controllermanager.replicaset import controller as replicaset_controller
from controlplane.controllermanager.replicaset.controller import ReplicaSetController
from controlplane.controllermanager.serviceaccount.controller import ServiceAccountController
from controlplane.controllermanager.statefulset.controller import StatefulSetController
from kubeapi import status
from kubeapi.client.metrics import SERIES
from kubeapi.resources import (
    DAEMONSETS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    SERVICEACCOUNTS,
    STATEFULSETS,
)

#: From 5 ms, doubled up to 30 s: a look each 30 s in the end, and 14 before.
TEN_MINUTES_S, LOOKS_MAX = 600, 14 + 600 / 30


def replica_set(name, replicas):
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": "nginx"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def pods_of(api, name):
    return [pod for pod in api.store(PODS).values() if pod["metadata"]["labels"]["app"] == name]


class Whole:
    """The context of a whole manager: one API for all, whose informers need no start."""

    def __init__(self, api, tasks):
        self.api, self.tasks = api, tasks
        self.informers = SimpleNamespace(start=lambda _tasks: None)
        self.client = api

    def __getattr__(self, name):
        return getattr(self.api, name)


class Broken:
    """A controller that falls over whenever it runs."""

    runs = 0

    def __init__(self, _context):
        Broken.runs = 0

    async def run(self):
        Broken.runs += 1
        raise RuntimeError("broken on purpose")


def value_of(name, labels):
    return next(each for each in SERIES if each.name == name).values.get(labels, 0)


def test_a_controller_that_fails_whenever_it_runs_stops_no_other(monkeypatch, caplog):
    factories = {
        "broken-controller": Broken,
        "replicaset-controller": ReplicaSetController,
        "serviceaccount-controller": ServiceAccountController,
    }
    monkeypatch.setattr(manager, "CONTROLLERS", factories)
    monkeypatch.setattr(manager, "_managed", {})

    async def check():
        api, tasks = LiveApi(), Tasks()
        tasks.spawn(manager.run_controllers(Whole(api, tasks)), name="all", essential=True)
        for number in range(3):
            await asyncio.sleep(120)
            api.put(NAMESPACES, {"metadata": {"name": f"ns-{number}"}})
            api.put(REPLICASETS, replica_set(f"rs-{number}", 3))
            await asyncio.sleep(1)
            assert len(api.store(SERVICEACCOUNTS)) == number + 1
            assert len(pods_of(api, f"rs-{number}")) == 3
        await tasks.close()

    with caplog.at_level(logging.ERROR):
        run(check())
    assert 6 <= Broken.runs <= 13  # After 1, 2, 4, …, 60, 60 s.
    assert caplog.text.count("broken-controller ended") == Broken.runs
    states = {name: value for (name, _), value in manager._managed.items()}
    assert states == {name: 0.0 if name.startswith("broken") else 1.0 for name in factories}


def test_an_object_that_cannot_be_planned_stops_no_other_and_is_told_of_once(monkeypatch, caplog):
    planned, looks = replicaset_controller.plan, []

    def plan(wanted, *arguments):
        if wanted == 13:
            looks.append(wanted)
            raise ZeroDivisionError("a planner's bug")
        return planned(wanted, *arguments)

    monkeypatch.setattr(replicaset_controller, "plan", plan)
    before = value_of("workqueue_retries", ("replicaset",))

    async def check():
        api, tasks = LiveApi(), Tasks()
        api.put(REPLICASETS, replica_set("poison", 13))
        tasks.spawn(ReplicaSetController(api).run(), name="replicaset")
        for number in range(20):
            await asyncio.sleep(TEN_MINUTES_S / 20 - 1)
            api.put(REPLICASETS, replica_set(f"rs-{number}", 2))
            await asyncio.sleep(1)
            assert len(pods_of(api, f"rs-{number}")) == 2
        await tasks.close()

    with caplog.at_level(logging.DEBUG):
        run(check())
    assert 14 <= len(looks) <= LOOKS_MAX
    assert value_of("workqueue_retries", ("replicaset",)) - before == len(looks)
    failures = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert [each.getMessage() for each in failures] == [f"reconciling {NAMESPACE}/poison failed"]
    assert failures[0].exc_info[0] is ZeroDivisionError


def test_what_a_quota_refuses_is_tried_with_patience(caplog):
    """Two ReplicaSets want what only one may have: the other asks seldom, one pod at a time."""

    async def check():
        api, tasks = LiveApi(), Tasks()
        tasks.spawn(ReplicaSetController(api).run(), name="replicaset")
        api.put(REPLICASETS, replica_set("first", 50))
        await asyncio.sleep(1)
        api.refusals["create", "pods"] = status.forbidden(PODS, "", "exceeded quota: pods=50")
        asked = api.writes["", "create", "pods", ""]
        api.put(REPLICASETS, replica_set("second", 50))
        await asyncio.sleep(TEN_MINUTES_S)
        tried = api.writes["", "create", "pods", ""] - asked
        assert 14 <= tried <= 2 * LOOKS_MAX  # Its own status brings it back early a few times.
        second = api.store(REPLICASETS)[f"{NAMESPACE}/second"]["status"]
        assert second["conditions"][0]["reason"] == "FailedCreate"
        written = api.writes["", "update", "replicasets", "status"]
        del api.refusals["create", "pods"]
        await asyncio.sleep(31)
        assert len(pods_of(api, "second")) == 50
        assert written <= 6  # A failure that stays the same is not written again.
        await tasks.close()

    with caplog.at_level(logging.WARNING):
        run(check())
    assert caplog.text.count("exceeded quota") == 1


def one_pod(kind, **spec):
    """Return an object of *kind* that has one pod."""
    made = replica_set("web", 1)
    return {**made, "kind": kind, "spec": {**made["spec"], **spec}}


@pytest.mark.parametrize("every_s", [0.001, 0.01])
@pytest.mark.parametrize(
    ("resource", "factory", "owner"),
    [
        (REPLICASETS, ReplicaSetController, one_pod("ReplicaSet")),
        (STATEFULSETS, StatefulSetController, one_pod("StatefulSet", serviceName="web")),
        (DAEMONSETS, DaemonSetsController, one_pod("DaemonSet")),
    ],
    ids=["ReplicaSet", "StatefulSet", "DaemonSet"],
)
def test_pods_that_flap_cost_a_bounded_number_of_writes(resource, factory, owner, every_s):
    async def check():
        api, tasks = LiveApi(), Tasks()
        api.put(NODES, {"metadata": {"name": "node"}, "spec": {}, "status": {}})
        tasks.spawn(factory(api).run(), name="controller")
        api.put(resource, owner)
        await asyncio.sleep(1)
        (pod,) = pods_of(api, "web")
        pod["spec"]["nodeName"] = "node"
        before, flaps = api.writes.total(), int(2 / every_s)
        for number in range(flaps):
            at, is_ready = rfc3339(api.now), str(bool(number % 2))
            ready = {"type": "Ready", "status": is_ready, "lastTransitionTime": at}
            pod = api.put(PODS, {**pod, "status": {"phase": "Running", "conditions": [ready]}})
            await asyncio.sleep(every_s)
        await asyncio.sleep(1)
        assert api.writes.total() - before <= 2 / 0.03 + 2
        status = api.store(resource)[f"{NAMESPACE}/web"]["status"]
        assert status.get("readyReplicas", status.get("numberReady")) == 1
        await tasks.close()

    run(check())
