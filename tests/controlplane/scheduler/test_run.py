"""The scheduler as a process, against a real API server."""

import asyncio
import json

import pytest

from componentbase import rpc
from kubeapi.objects import condition
from kubeapi.resources import EVENTS, NODES, PODS


def node(name, cpu="4", **spec):
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": spec,
        "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}},
    }


def pod(name, cpu="", **spec):
    requests = {"requests": {"cpu": cpu}} if cpu else {}
    containers = [{"name": "c", "image": "pause", "resources": requests}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": containers, "terminationGracePeriodSeconds": 0, **spec},
    }


async def until(read, holds, timeout_s=40):
    """Return what *read* returns as soon as it *holds*."""
    async with asyncio.timeout(timeout_s):
        while not holds(value := await read()):
            await asyncio.sleep(0.02)
    return value


async def register(client, *nodes):
    for one in nodes:
        made = await client.create(NODES, one)
        await client.update(NODES, {**made, "status": one["status"]}, subresource="status")


@pytest.mark.asyncio
async def test_pods_get_nodes_wait_for_room_and_say_why(control_plane):
    async with control_plane.client() as client:

        async def get(name):
            return await client.get(PODS, name, "default")

        async def events():
            return (await client.list(EVENTS, "default"))["items"]

        await client.create(PODS, pod("first", cpu="3"), "default")
        waiting = await until(
            lambda: get("first"), lambda p: condition(p, "PodScheduled") is not None
        )
        assert (
            condition(waiting, "PodScheduled")["message"] == "no nodes available to schedule pods"
        )

        # A node appears: the pod is woken, and bound.
        await register(client, node("node-1"), node("node-2", unschedulable=True))
        bound = await until(lambda: get("first"), lambda p: p["spec"].get("nodeName"))
        assert bound["spec"]["nodeName"] == "node-1"
        assert condition(bound, "PodScheduled")["status"] == "True"

        # No room is left, and one node is cordoned.
        await client.create(PODS, pod("second", cpu="2"), "default")
        waiting = await until(
            lambda: get("second"), lambda p: condition(p, "PodScheduled") is not None
        )
        assert condition(waiting, "PodScheduled")["message"] == (
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. "
            "preemption: 0/2 nodes are available: "
            "1 No preemption victims found for incoming pod, "
            "1 Preemption is not helpful for scheduling."
        )

        # The first one leaves: there is room.
        await client.delete(PODS, "first", "default", grace_s=0)
        await until(lambda: get("second"), lambda p: p["spec"].get("nodeName") == "node-1")
        told = await until(
            events, lambda items: sum(e["reason"] == "Scheduled" for e in items) == 2
        )
        messages = [e["message"] for e in told if e["involvedObject"]["name"] == "second"]
        assert "Successfully assigned default/second to node-1" in messages
        assert {"Scheduled", "FailedScheduling"} == {e["reason"] for e in told}


@pytest.mark.asyncio
async def test_a_killed_scheduler_carries_on_at_once(control_plane):
    async with control_plane.client() as client:
        await register(client, node("node-9"))
        control_plane.kill("scheduler")
        await client.create(PODS, pod("later"), "default")
        control_plane.start("scheduler")
        await until(
            lambda: client.get(PODS, "later", "default"), lambda p: p["spec"].get("nodeName")
        )


@pytest.mark.asyncio
async def test_the_more_important_pod_gets_the_room_of_others(control_plane):
    async with control_plane.client() as client:
        await register(client, node("node-20"))
        only = {"kubernetes.io/hostname": "node-20"}
        await client.create(PODS, pod("low", cpu="3", nodeSelector=only), "default")
        await until(lambda: client.get(PODS, "low", "default"), lambda p: p["spec"].get("nodeName"))
        king = pod("king", cpu="2", nodeSelector=only, priorityClassName="system-node-critical")
        await client.create(PODS, king, "kube-system")
        bound = await until(
            lambda: client.get(PODS, "king", "kube-system"), lambda p: p["spec"].get("nodeName")
        )
        assert bound["spec"]["nodeName"] == bound["status"]["nominatedNodeName"] == "node-20"
        told = await until(
            lambda: client.list(EVENTS, "default"),
            lambda found: any(e["reason"] == "Preempted" for e in found["items"]),
        )
        (event,) = [e for e in told["items"] if e["reason"] == "Preempted"]
        assert event["involvedObject"]["name"] == "low"
        uid = bound["metadata"]["uid"]
        assert event["message"] == f"Preempted by pod {uid} on node node-20"
    asked = await rpc.Client.connect(control_plane.paths.control_socket("scheduler"))
    decision = await asked.call("explain", {"pod": "kube-system/king"})
    assert (decision["node"], decision["attempt"]) == ("node-20", 2)
    assert {row["plugin"] for row in decision["refused"]} <= {"NodeAffinity", "NodeUnschedulable"}
    with pytest.raises(rpc.RpcError, match="not looked at that pod"):
        await asked.call("explain", {"pod": "default/nobody"})
    await asked.close()


TROUBLE = """
import time
from pathlib import Path

from controlplane.scheduler.framework.interface import Wait

class Trouble:
    name = "Trouble"

    def __init__(self, config, handle):
        self.note = Path(__file__).with_name("note")

    def reserve(self, state, pod, node_name):
        return None

    def permit(self, state, pod, node_name):
        if pod.labels.get("trouble") == "waits":
            self.note.write_text("waits")
            return Wait(600)

    def unreserve(self, state, pod, node_name):
        if pod.labels.get("trouble") == "waits":
            self.note.write_text("given back")

    def filter(self, state, pod, node):
        if pod.labels.get("trouble") == "raises":
            raise ValueError("no idea")
        if pod.labels.get("trouble") == "hangs":
            time.sleep(600)

    async def pre_bind(self, state, pod, node_name):
        if pod.labels.get("trouble") == "binding":
            raise OSError("no route")
"""
WITH_TROUBLE = """
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles: [{plugins: {multiPoint: {enabled: [{name: "trouble:Trouble"}]}}}]
"""


@pytest.mark.asyncio
async def test_a_plugin_that_breaks_down_fails_its_pod_and_no_other(
    control_plane, tmp_path, monkeypatch
):
    (tmp_path / "trouble.py").write_text(TROUBLE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    path = control_plane.paths.config("scheduler")
    path.write_text(json.dumps({**json.loads(path.read_text()), "scheduler_config": WITH_TROUBLE}))
    control_plane.kill("scheduler")

    async def read():
        path = tmp_path / "note"
        return path.read_text() if path.exists() else ""

    says = {
        "raises": 'running Filter plugin "Trouble": ValueError: no idea',
        "hangs": 'running Filter plugin "Trouble": it took longer than 1 s',
        "binding": 'running PreBind plugin "Trouble": OSError: no route',
    }
    async with control_plane.client() as client:
        await register(client, node("node-30"))
        for name in (*says, "waits"):
            bad = pod(name)
            bad["metadata"]["labels"] = {"trouble": name}
            await client.create(PODS, bad, "default")
        await client.create(PODS, pod("fine"), "default")
        control_plane.start("scheduler")
        await until(
            lambda: client.get(PODS, "fine", "default"), lambda p: p["spec"].get("nodeName")
        )
        for name, message in says.items():
            waiting = await until(
                lambda name=name: client.get(PODS, name, "default"),
                lambda p: condition(p, "PodScheduled") is not None,
            )
            told = condition(waiting, "PodScheduled")
            assert (told["status"], told["reason"]) == ("False", "SchedulerError")
            assert told["message"] == message
        # A pod that is deleted while it waits for a plugin's word gives back what it has.
        assert await until(read, bool) == "waits"
        await client.delete(PODS, "waits", "default", grace_s=0)
        await until(read, lambda said: said == "given back")

        # Without the label it is scheduled at its next attempt.
        await client.patch(PODS, "raises", {"metadata": {"labels": {"trouble": None}}}, "default")
        await until(
            lambda: client.get(PODS, "raises", "default"), lambda p: p["spec"].get("nodeName")
        )
