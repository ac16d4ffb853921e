"""DaemonSets, StatefulSets and ReplicationControllers against a real API server, nodes hollow."""

from __future__ import annotations

import pytest
from test_control_loops import until, world

from kubeapi.client import PatchType
from kubeapi.objects import name_of
from kubeapi.resources import (
    CONTROLLERREVISIONS,
    DAEMONSETS,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICATIONCONTROLLERS,
    STATEFULSETS,
)

LABELS = {"app": "web"}


def template(image="nginx:1", **spec):
    return {
        "metadata": {"labels": LABELS},
        "spec": {"containers": [{"name": "c", "image": image}], **spec},
    }


def on_nodes_of_test(namespace):
    return {"nodeSelector": {"test": namespace}}


async def label_nodes(client, hollow, namespace):
    for name in hollow.names:
        await client.patch(NODES, name, {"metadata": {"labels": {"test": namespace}}})


def daemon_set(namespace, **spec):
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": LABELS},
            "template": template(**on_nodes_of_test(namespace)),
            **spec,
        },
    }


def is_rolled_out(one):
    """Return what `kubectl rollout status` of a DaemonSet waits for."""
    status = one.get("status") or {}
    desired = status.get("desiredNumberScheduled", 0)
    return (
        status.get("observedGeneration", 0) >= one["metadata"]["generation"]
        and desired > 0
        and status.get("updatedNumberScheduled", 0) == desired
        and status.get("numberAvailable", 0) == desired
    )


async def rolled_out(client, resource, namespace, holds=is_rolled_out):
    await until(client, resource, namespace, lambda items: all(map(holds, items)))
    return await client.get(resource, "web", namespace)


def image_patch(image):
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}


def images(pods):
    return {pod["spec"]["containers"][0]["image"] for pod in pods}


@pytest.mark.asyncio
async def test_a_daemon_set_runs_everywhere_and_rolls(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns, nodes=3) as (client, hollow):
        await label_nodes(client, hollow, ns)
        await client.create(DAEMONSETS, daemon_set(ns), ns)
        one = await rolled_out(client, DAEMONSETS, ns)
        assert one["status"]["desiredNumberScheduled"] == 3
        pods = (await client.list(PODS, ns))["items"]
        assert {pod["spec"]["nodeName"] for pod in pods} == set(hollow.names)

        await client.patch(DAEMONSETS, "web", image_patch("x:2"), ns, kind=PatchType.STRATEGIC)
        await rolled_out(client, DAEMONSETS, ns)
        await until(client, PODS, ns, lambda pods: len(pods) == 3 and images(pods) == {"x:2"})
        revisions = (await client.list(CONTROLLERREVISIONS, ns))["items"]
        assert sorted(one["revision"] for one in revisions) == [1, 2]

        # What `kubectl rollout undo` does.
        first = min(revisions, key=lambda one: one["revision"])
        await client.patch(DAEMONSETS, "web", first["data"], ns, kind=PatchType.STRATEGIC)
        await rolled_out(client, DAEMONSETS, ns)
        await until(client, PODS, ns, lambda pods: len(pods) == 3 and images(pods) == {"nginx:1"})
        revisions = (await client.list(CONTROLLERREVISIONS, ns))["items"]
        assert {name_of(one): one["revision"] for one in revisions}[name_of(first)] == 3

        # A node that loses its label loses its pod.
        await client.patch(NODES, hollow.names[0], {"metadata": {"labels": {"test": None}}})
        await until(client, PODS, ns, lambda pods: len(pods) == 2)
        two = {"desiredNumberScheduled": 2, "numberMisscheduled": 0}
        await rolled_out(client, DAEMONSETS, ns, lambda one: two.items() <= one["status"].items())


@pytest.mark.asyncio
async def test_a_replication_controller_keeps_its_number(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, _):
        controller = {
            "apiVersion": "v1",
            "kind": "ReplicationController",
            "metadata": {"name": "web"},
            "spec": {"replicas": 3, "template": template()},
        }
        await client.create(REPLICATIONCONTROLLERS, controller, ns)

        def ready(items):
            return (items[0].get("status") or {}).get("readyReplicas") == 3

        await until(client, REPLICATIONCONTROLLERS, ns, ready)
        pods = (await client.list(PODS, ns))["items"]
        assert {pod["metadata"]["ownerReferences"][0]["kind"] for pod in pods} == {
            "ReplicationController"
        }
        await client.delete(PODS, name_of(pods[0]), ns)
        gone = name_of(pods[0])

        def replaced(items):
            return len(items) == 3 and gone not in {name_of(one) for one in items}

        await until(client, PODS, ns, replaced)


def stateful_set(**spec):
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 3,
            "serviceName": "web",
            "selector": {"matchLabels": LABELS},
            "template": template(),
            **spec,
        },
    }


def is_settled(one):
    """Return what `kubectl rollout status` of a StatefulSet waits for."""
    status, wanted = one.get("status") or {}, one["spec"]["replicas"]
    return (
        status.get("observedGeneration", 0) >= one["metadata"]["generation"]
        and status.get("readyReplicas", 0) == status.get("replicas", 0) == wanted
        and status.get("currentRevision") == status.get("updateRevision")
    )


CLAIM_TEMPLATE = {
    "metadata": {"name": "data"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "none",
        "resources": {"requests": {"storage": "1Mi"}},
    },
}
DELETE_BOTH = {"whenDeleted": "Delete", "whenScaled": "Delete"}


@pytest.mark.asyncio
async def test_a_stateful_set_comes_rolls_shrinks_and_goes(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, _):
        made = stateful_set(
            volumeClaimTemplates=[CLAIM_TEMPLATE], persistentVolumeClaimRetentionPolicy=DELETE_BOTH
        )
        await client.create(STATEFULSETS, made, ns)
        await rolled_out(client, STATEFULSETS, ns, is_settled)
        pods = (await client.list(PODS, ns))["items"]
        stamps = {name_of(one): one["metadata"]["resourceVersion"] for one in pods}
        assert sorted(stamps) == ["web-0", "web-1", "web-2"]
        assert {one["spec"]["hostname"] for one in pods} == set(stamps)
        assert {one["spec"]["subdomain"] for one in pods} == {"web"}
        claims = (await client.list(PERSISTENTVOLUMECLAIMS, ns))["items"]
        assert {name_of(one) for one in claims} == {"data-web-0", "data-web-1", "data-web-2"}

        await client.patch(STATEFULSETS, "web", image_patch("x:2"), ns, kind=PatchType.STRATEGIC)
        await rolled_out(client, STATEFULSETS, ns, is_settled)
        assert images((await client.list(PODS, ns))["items"]) == {"x:2"}

        # A budget knows how many pods a StatefulSet wants.
        guard = {"selector": {"matchLabels": LABELS}, "maxUnavailable": 1}
        metadata = {"metadata": {"name": "web"}, "spec": guard}
        budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", **metadata}
        await client.create(PODDISRUPTIONBUDGETS, budget, ns)

        def one_may_go(items):
            status = items[0].get("status") or {}
            return (status.get("expectedPods"), status.get("disruptionsAllowed")) == (3, 1)

        await until(client, PODDISRUPTIONBUDGETS, ns, one_may_go)
        await client.patch(STATEFULSETS, "web", {"spec": {"replicas": 1}}, ns)
        await rolled_out(client, STATEFULSETS, ns, is_settled)
        await until(client, PERSISTENTVOLUMECLAIMS, ns, lambda claims: len(claims) == 1)

        await client.delete(STATEFULSETS, "web", ns)
        await until(client, PERSISTENTVOLUMECLAIMS, ns, lambda claims: not claims)
        await until(client, PODS, ns, lambda pods: not pods)
