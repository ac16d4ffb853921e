"""The controllers against a real API server: what a user asks for comes about.

Nodes and kubelets are hollow (`hollow.py`), everything else is real. No test waits for a fixed
time: each waits, with a bound, for what the API must show.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from contextlib import aclosing, asynccontextmanager

import pytest
from hollow import BROKEN, HollowNodes

from componentbase import clock, journal
from componentbase.tasks import Tasks
from controlplane.controllermanager.endpointslice import trigger_time
from controlplane.controllermanager.endpointslice.well_known import CONTROLLER_NAME, MANAGED_BY
from kubeapi.client import PatchType
from kubeapi.objects import condition, name_of
from kubeapi.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    ENDPOINTS,
    ENDPOINTSLICES,
    EVENTS,
    NAMESPACES,
    NODES,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICASETS,
    SERVICEACCOUNTS,
    SERVICES,
)
from kubeapi.status import StatusError

WITHIN_S = 15.0
LOOK_EVERY_S = 0.03


def deployment(name="web", replicas=3, image="nginx:1", **spec):
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
            **spec,
        },
    }


def service(name="web"):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
    }


async def until(client, resource, namespace, holds: Callable[[list], bool], **selector):
    """Wait until *holds* of the items of a collection; return them."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            items = (await client.list(resource, namespace, **selector))["items"]
            if holds(items):
                return items
            await asyncio.sleep(LOOK_EVERY_S)


async def deployment_until(client, namespace, holds, name="web"):
    def check(items):
        return any(item["metadata"]["name"] == name and holds(item) for item in items)

    await until(client, DEPLOYMENTS, namespace, check)
    return await client.get(DEPLOYMENTS, name, namespace)


def is_rolled_out(one):
    """Return what `kubectl rollout status` waits for."""
    status, wanted = one.get("status") or {}, one["spec"]["replicas"]
    return (
        status.get("observedGeneration", 0) >= one["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )


def ready_addresses(slices):
    return sorted(
        end["addresses"][0]
        for one in slices
        for end in one.get("endpoints") or ()
        if end["conditions"]["ready"]
    )


@asynccontextmanager
async def world(control_plane, namespace, nodes=2):
    """Yield a client, in a namespace of its own, with hollow nodes."""
    async with control_plane.client() as client:
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        await client.create(NAMESPACES, made)
        tasks = Tasks()
        names = [f"{namespace}-{number}" for number in range(nodes)]
        hollow = HollowNodes(client, names, namespace)
        try:
            await hollow.start(tasks)
            yield client, hollow
        finally:
            await hollow.remove()
            # In this order: a client that closes cuts its watches off, and waits for none.
            await client.close()
            await tasks.close()


@pytest.mark.asyncio
async def test_a_deployment_comes_up_rolls_over_and_back(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, _):
        await client.create(DEPLOYMENTS, deployment(), ns)
        one = await deployment_until(client, ns, is_rolled_out)
        assert condition(one, "Available")["status"] == "True"
        assert condition(one, "Progressing")["reason"] == "NewReplicaSetAvailable"
        assert one["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"

        patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "x:2"}]}}}}
        await client.patch(DEPLOYMENTS, "web", patch, ns, kind=PatchType.STRATEGIC)
        one = await deployment_until(client, ns, is_rolled_out)
        assert one["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
        pods = (await client.list(PODS, ns))["items"]
        live = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        assert {pod["spec"]["containers"][0]["image"] for pod in live} == {"x:2"}

        back = copy.deepcopy(patch)
        back["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:1"
        await client.patch(DEPLOYMENTS, "web", back, ns, kind=PatchType.STRATEGIC)
        one = await deployment_until(client, ns, is_rolled_out)
        assert one["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
        sets = (await client.list(REPLICASETS, ns))["items"]
        assert len(sets) == 2  # The first one was used again.

        events = await until(
            client, EVENTS, ns, lambda items: any(e["reason"] == "ScalingReplicaSet" for e in items)
        )
        texts = [event["message"] for event in events if event["reason"] == "ScalingReplicaSet"]
        assert any(text.endswith("from 0 to 3") for text in texts)


@pytest.mark.asyncio
async def test_recreate_never_mixes_versions(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, hollow):
        await client.create(DEPLOYMENTS, deployment(strategy={"type": "Recreate"}), ns)
        await deployment_until(client, ns, is_rolled_out)
        mixed = []

        async def watch():
            images = {}
            async with aclosing(client.watch(PODS, ns)) as events:
                async for event in events:
                    pod = event.object
                    if event.type == "DELETED":
                        images.pop(pod["metadata"]["name"], None)
                    elif event.type != "BOOKMARK":
                        image = pod["spec"]["containers"][0]["image"]
                        images[pod["metadata"]["name"]] = image
                    if len(set(images.values())) > 1:
                        mixed.append(dict(images))

        hollow.tasks.spawn(watch(), name="watch")
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "x:2"}]}}}}
        await client.patch(DEPLOYMENTS, "web", patch, ns, kind=PatchType.STRATEGIC)
        await deployment_until(client, ns, is_rolled_out)
        assert mixed == []


@pytest.mark.asyncio
async def test_a_broken_version_stops_at_the_surge_and_its_deadline(
    control_plane, namespace_of_test
):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, _):
        await client.create(DEPLOYMENTS, deployment(replicas=4, progressDeadlineSeconds=1), ns)
        await deployment_until(client, ns, is_rolled_out)
        broken = {"containers": [{"name": "c", "image": BROKEN}]}
        patch = {"spec": {"template": {"spec": broken}}}
        await client.patch(DEPLOYMENTS, "web", patch, ns, kind=PatchType.STRATEGIC)

        def has_timed_out(one):
            timed_out = condition(one, "Progressing")["reason"] == "ProgressDeadlineExceeded"
            # A busy machine may be at the deadline before it is at the surge.
            return timed_out and one["status"]["availableReplicas"] < 4

        one = await deployment_until(client, ns, has_timed_out)
        assert one["status"]["availableReplicas"] == 3  # 25 % of 4 may be missing.
        assert one["status"]["updatedReplicas"] == 2  # And 25 % may be too many.
        assert condition(one, "Available")["status"] == "True"


@pytest.mark.asyncio
async def test_scaling_a_paused_deployment_makes_no_new_version(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, _):
        await client.create(DEPLOYMENTS, deployment(replicas=2), ns)
        await deployment_until(client, ns, is_rolled_out)
        template = {"spec": {"containers": [{"name": "c", "image": "x:2"}]}}
        patch = {"spec": {"paused": True, "replicas": 4, "template": template}}
        await client.patch(DEPLOYMENTS, "web", patch, ns, kind=PatchType.STRATEGIC)
        one = await deployment_until(
            client, ns, lambda one: one["status"].get("availableReplicas") == 4
        )
        assert one["status"].get("updatedReplicas", 0) == 0
        assert len((await client.list(REPLICASETS, ns))["items"]) == 1
        await client.patch(DEPLOYMENTS, "web", {"spec": {"paused": None}}, ns)
        await deployment_until(client, ns, is_rolled_out)


@pytest.mark.asyncio
async def test_a_hundred_pods_are_made_once(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, _):
        await client.create(DEPLOYMENTS, deployment(replicas=100), ns)
        await deployment_until(client, ns, is_rolled_out)
        assert len((await client.list(PODS, ns))["items"]) == 100
        await client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 10}}, ns)
        await until(client, PODS, ns, lambda pods: len(pods) == 10)


@pytest.mark.asyncio
async def test_endpoints_follow_readiness(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, _):
        await client.create(SERVICES, service(), ns)
        empty = await until(client, ENDPOINTSLICES, ns, lambda slices: len(slices) == 1)
        assert not empty[0].get("endpoints")
        await client.create(DEPLOYMENTS, deployment(replicas=4), ns)
        await until(client, ENDPOINTSLICES, ns, lambda s: len(ready_addresses(s)) == 4)
        pod = (await client.list(PODS, ns))["items"][0]
        lost = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
        await client.patch(
            PODS,
            pod["metadata"]["name"],
            lost,
            ns,
            kind=PatchType.STRATEGIC,
            subresource="status",
        )
        slices = await until(client, ENDPOINTSLICES, ns, lambda s: len(ready_addresses(s)) == 3)
        assert len(slices) == 1
        assert pod["status"]["podIP"] not in ready_addresses(slices)
        assert len(slices[0]["endpoints"]) == 4


@pytest.mark.asyncio
async def test_slices_of_a_service_without_selector_are_left_alone(
    control_plane, namespace_of_test
):
    ns = namespace_of_test
    async with world(control_plane, ns, nodes=0) as (client, _):
        mine = service("mine")
        del mine["spec"]["selector"]
        await client.create(SERVICES, mine, ns)
        handmade = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "mine-1", "labels": {"kubernetes.io/service-name": "mine"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.1"]}],
            "ports": [{"name": "", "protocol": "TCP", "port": 80}],
        }
        made = await client.create(ENDPOINTSLICES, handmade, ns)
        # A Service made later has its slice: so the controller has been past the first one.
        await client.create(SERVICES, service("other"), ns)
        slices = await until(client, ENDPOINTSLICES, ns, lambda slices: len(slices) == 2)
        assert made in [
            {"apiVersion": made["apiVersion"], "kind": made["kind"], **one} for one in slices
        ]


@pytest.mark.asyncio
async def test_endpoints_that_people_write_are_mirrored(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns, nodes=0) as (client, _):
        mine = service("mine")
        del mine["spec"]["selector"]
        await client.create(SERVICES, mine, ns)
        subset = {
            "addresses": [{"ip": "192.0.2.1"}],
            "ports": [{"name": "http", "port": 8080}],
        }
        written = {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": "mine"},
            "subsets": [subset],
        }
        await client.create(ENDPOINTS, written, ns)
        await until(client, ENDPOINTSLICES, ns, lambda s: ready_addresses(s) == ["192.0.2.1"])
        more = {"subsets": [{**subset, "addresses": [{"ip": "192.0.2.1"}, {"ip": "192.0.2.2"}]}]}
        await client.patch(ENDPOINTS, "mine", more, ns)
        (one,) = await until(client, ENDPOINTSLICES, ns, lambda s: len(ready_addresses(s)) == 2)
        assert one["metadata"]["ownerReferences"][0]["kind"] == "Endpoints"
        await client.patch(SERVICES, "mine", {"spec": {"selector": {"app": "other"}}}, ns)
        managers = await until(
            client,
            ENDPOINTSLICES,
            ns,
            lambda s: [one["metadata"]["labels"][MANAGED_BY] for one in s] == [CONTROLLER_NAME],
        )
        assert not ready_addresses(managers)


@pytest.mark.asyncio
async def test_traffic_distribution_becomes_hints(control_plane, namespace_of_test):
    ns = namespace_of_test

    def hinted(slices) -> list[str]:
        return [
            hint["name"]
            for one in slices
            for end in one.get("endpoints") or ()
            for hint in (end.get("hints") or {}).get("forNodes") or ()
        ]

    async with world(control_plane, ns) as (client, _):
        near = service()
        near["spec"]["trafficDistribution"] = "PreferSameNode"
        await client.create(SERVICES, near, ns)
        await client.create(DEPLOYMENTS, deployment(replicas=2), ns)
        slices = await until(client, ENDPOINTSLICES, ns, lambda s: len(hinted(s)) == 2)
        assert hinted(slices) == [end["nodeName"] for end in slices[0]["endpoints"]]
        await client.patch(SERVICES, "web", {"spec": {"trafficDistribution": None}}, ns)
        await until(client, ENDPOINTSLICES, ns, lambda s: not hinted(s))


@pytest.mark.asyncio
async def test_orphans_are_adopted_and_strangers_released(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, _):
        pod = deployment()["spec"]["template"]
        pod["metadata"]["name"] = "orphan"
        await client.create(PODS, {"apiVersion": "v1", "kind": "Pod", **pod}, ns)
        replica_set = {**deployment(replicas=2), "kind": "ReplicaSet"}
        await client.create(REPLICASETS, replica_set, ns)
        pods = await until(client, PODS, ns, lambda pods: len(pods) == 2)

        def all_owned(pods):
            return all(one["metadata"].get("ownerReferences") for one in pods)

        pods = await until(client, PODS, ns, all_owned)
        assert "orphan" in [one["metadata"]["name"] for one in pods]
        await client.patch(PODS, "orphan", {"metadata": {"labels": {"app": "other"}}}, ns)
        pods = await until(client, PODS, ns, lambda pods: len(pods) == 3)

        def is_released(pods):
            orphan = next(one for one in pods if one["metadata"]["name"] == "orphan")
            return not orphan["metadata"].get("ownerReferences")

        await until(client, PODS, ns, is_released)


@pytest.mark.asyncio
@pytest.mark.parametrize("propagation", ["Background", "Foreground", "Orphan"])
async def test_deletion_propagates(control_plane, namespace_of_test, propagation):
    ns = f"gc-{propagation.lower()}"
    async with world(control_plane, ns) as (client, _):
        await client.create(DEPLOYMENTS, deployment(), ns)
        await deployment_until(client, ns, is_rolled_out)
        await client.delete(DEPLOYMENTS, "web", ns, propagation=propagation)
        await until(client, DEPLOYMENTS, ns, lambda items: not items)
        if propagation == "Orphan":
            sets = await until(
                client,
                REPLICASETS,
                ns,
                lambda sets: all(not one["metadata"].get("ownerReferences") for one in sets),
            )
            assert len(sets) == 1
            assert len((await client.list(PODS, ns))["items"]) == 3
        else:
            if propagation == "Foreground":
                assert (await client.list(REPLICASETS, ns))["items"] == []
            await until(client, REPLICASETS, ns, lambda items: not items)
            await until(client, PODS, ns, lambda items: not items)


@pytest.mark.asyncio
async def test_an_owner_that_never_was_takes_its_dependent_along(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns, nodes=0) as (client, _):
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "ghost", "uid": "no-such-uid"}
        made = {"apiVersion": "v1", "kind": "ConfigMap"}
        made["metadata"] = {"name": "orphaned", "ownerReferences": [owner]}
        await client.create(CONFIGMAPS, made, ns)
        await until(
            client, CONFIGMAPS, ns, lambda items: not any(name_of(i) == "orphaned" for i in items)
        )


@pytest.mark.asyncio
async def test_a_namespace_goes_with_all_it_holds(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, _):
        await until(client, SERVICEACCOUNTS, ns, lambda items: len(items) == 1)
        await client.create(DEPLOYMENTS, deployment(), ns)
        await client.create(SERVICES, service(), ns)
        await deployment_until(client, ns, is_rolled_out)
        await client.delete(NAMESPACES, ns)
        async with asyncio.timeout(WITHIN_S):
            await until(
                client,
                NAMESPACES,
                None,
                lambda items: not items,
                field_selector=f"metadata.name={ns}",
            )


@pytest.mark.asyncio
async def test_the_default_service_account_comes_back(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns, nodes=0) as (client, _):
        (first,) = await until(client, SERVICEACCOUNTS, ns, lambda items: len(items) == 1)
        await client.delete(SERVICEACCOUNTS, "default", ns)
        uid = first["metadata"]["uid"]

        def is_new(items):
            return any(item["metadata"]["uid"] != uid for item in items)

        await until(client, SERVICEACCOUNTS, ns, is_new)


@pytest.mark.asyncio
async def test_every_namespace_knows_the_authority(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns, nodes=0) as (client, _):
        (first,) = await until(client, CONFIGMAPS, ns, lambda items: len(items) == 1)
        assert first["metadata"]["name"] == "kube-root-ca.crt"
        assert first["data"]["ca.crt"].startswith("-----BEGIN CERTIFICATE")
        await client.update(CONFIGMAPS, {**first, "data": {"ca.crt": "somebody else's"}})
        await until(client, CONFIGMAPS, ns, lambda items: items[0]["data"] == first["data"])
        described = first["metadata"]["annotations"]
        bare = {"metadata": {"annotations": dict.fromkeys(described)}}
        await client.patch(CONFIGMAPS, "kube-root-ca.crt", bare, ns)
        await until(
            client,
            CONFIGMAPS,
            ns,
            lambda items: items[0]["metadata"].get("annotations") == described,
        )
        await client.delete(CONFIGMAPS, "kube-root-ca.crt", ns)
        await until(client, CONFIGMAPS, ns, lambda items: len(items) == 1)


@pytest.mark.asyncio
async def test_every_node_has_its_own_range(control_plane, namespace_of_test):
    async with world(control_plane, namespace_of_test, nodes=3) as (client, hollow):

        def all_have(nodes):
            mine = [node for node in nodes if node["metadata"]["name"] in hollow.names]
            return all((node.get("spec") or {}).get("podCIDR") for node in mine)

        nodes = await until(client, NODES, None, all_have)
        ranges = [node["spec"]["podCIDR"] for node in nodes]
        assert len(set(ranges)) == len(ranges)
        assert all(text.startswith("10.244.") and text.endswith("/24") for text in ranges)
        seconds = [node["spec"]["podCIDRs"][1] for node in nodes]
        assert len(set(seconds)) == len(seconds)
        assert all(text.startswith("fd00:10:244:") and text.endswith("::/64") for text in seconds)


@pytest.mark.asyncio
async def test_pods_of_a_removed_node_are_endpoints_no_more(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, hollow):
        await client.create(SERVICES, service(), ns)
        published = service()
        published["metadata"]["name"] = "published"
        published["spec"]["publishNotReadyAddresses"] = True
        await client.create(SERVICES, published, ns)
        await client.create(DEPLOYMENTS, deployment(replicas=4), ns)
        await until(client, ENDPOINTSLICES, ns, lambda s: len(ready_addresses(s)) == 8)
        gone, stays = hollow.names
        hollow.stopped.add(gone)
        await client.delete(NODES, gone)
        hollow.names.remove(gone)

        def elsewhere(slices):
            places = {
                (name_of(one).partition("-")[0], end["nodeName"])
                for one in slices
                for end in one.get("endpoints") or ()
            }  # Until their pods are collected, some seconds later.
            return places == {("web", stays), ("published", gone), ("published", stays)}

        await until(client, ENDPOINTSLICES, ns, elsewhere)


@pytest.mark.asyncio
async def test_cordon_becomes_a_taint(control_plane, namespace_of_test):
    async with world(control_plane, namespace_of_test, nodes=1) as (client, hollow):
        name = hollow.names[0]
        await client.patch(NODES, name, {"spec": {"unschedulable": True}})
        key = "node.kubernetes.io/unschedulable"

        def tainted(nodes):
            return any(
                taint["key"] == key
                for node in nodes
                if node["metadata"]["name"] == name
                for taint in (node["spec"].get("taints") or ())
            )

        await until(client, NODES, None, tainted)
        await client.patch(NODES, name, {"spec": {"unschedulable": None}})
        await until(client, NODES, None, lambda nodes: not tainted(nodes))
    notes = journal.read(control_plane.paths.directory / "journal")
    whats = [one.what for one in notes if one.subject == name and "cordoned" in one.what]
    assert whats == ["cordoned", "uncordoned"]


@pytest.mark.asyncio
async def test_a_killed_controller_manager_carries_on(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, _):
        await client.create(DEPLOYMENTS, deployment(replicas=30), ns)
        await until(client, PODS, ns, lambda pods: len(pods) >= 3)
        control_plane.kill("controller-manager")
        control_plane.start("controller-manager")
        await deployment_until(client, ns, is_rolled_out)
        assert len((await client.list(PODS, ns))["items"]) == 30


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_a_lost_node_loses_its_endpoints_then_its_pods(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns, nodes=3) as (client, hollow):
        await client.create(SERVICES, service(), ns)
        one = deployment(replicas=6)
        one["spec"]["template"]["spec"]["tolerations"] = [
            {
                "key": "node.kubernetes.io/unreachable",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 1,
            }
        ]
        await client.create(DEPLOYMENTS, one, ns)
        await until(client, ENDPOINTSLICES, ns, lambda s: len(ready_addresses(s)) == 6)
        lost = hollow.names[0]
        hollow.stopped.add(lost)

        slices = await until(client, ENDPOINTSLICES, ns, lambda s: len(ready_addresses(s)) < 6)
        trigger = slices[0]["metadata"]["annotations"][trigger_time.ANNOTATION]
        assert 0 < clock.wall() - clock.parse_rfc3339(trigger) < WITHIN_S
        node = await client.get(NODES, lost)
        ready = condition(node, "Ready")
        assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")

        def replaced(slices):
            places = [end["nodeName"] for one in slices for end in one["endpoints"]]
            ready = ready_addresses(slices)
            return len(ready) == 6 and lost in places  # The old ones are terminating.

        slices = await until(client, ENDPOINTSLICES, ns, replaced)
        old = [end for one in slices for end in one["endpoints"] if end["nodeName"] == lost]
        assert all(end["conditions"]["terminating"] for end in old)
        taints = {
            (t["key"], t["effect"]) for t in (await client.get(NODES, lost))["spec"]["taints"]
        }
        key = "node.kubernetes.io/unreachable"
        assert {(key, "NoSchedule"), (key, "NoExecute")} <= taints
        reasons = {event["reason"] for event in (await client.list(EVENTS, ns))["items"]}
        assert {"NodeNotReady", "TaintManagerEviction"} <= reasons

        await hollow.resume(lost)

        def is_free(nodes):
            (node,) = [node for node in nodes if node["metadata"]["name"] == lost]
            return not node["spec"].get("taints")

        await until(client, NODES, None, is_free)
    assert_all_was_noted(await notes_until_untainted(control_plane, lost), ns, lost)


async def notes_until_untainted(control_plane, lost):
    """Return the journal once it has the last note: it is written after the API has answered."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            notes = journal.read(control_plane.paths.directory / "journal")
            untainted = [note for note in notes if (note.subject, note.what) == (lost, "untainted")]
            if any(note.details["taint"].endswith(":NoExecute") for note in untainted):
                return notes
            await asyncio.sleep(LOOK_EVERY_S)


def assert_all_was_noted(notes, ns, lost):
    """What the controllers decided stands in the journal, each with its reasons."""
    node = [note for note in notes if note.subject == lost]
    said = [(note.what, note.details.get("taint", "")) for note in node]
    key = "node.kubernetes.io/unreachable"
    order = [
        said.index(("not-ready", "")),
        said.index(("tainted", f"{key}:NoExecute")),
        said.index(("ready-again", "")),
        said.index(("untainted", f"{key}:NoExecute")),
    ]
    assert order == sorted(order)
    silence = node[order[0]].at - node[order[0]].details["last_heartbeat_at"]
    assert silence >= node[order[0]].details["grace_s"]
    ours = [note for note in notes if note.subject.startswith(f"{ns}/")]
    evicted = [note for note in ours if note.what == "evicted"]
    assert evicted
    assert {(n.details["node"], n.details["toleration_s"]) for n in evicted} == {(lost, 1.0)}
    made = [note for note in ours if note.what == "pod-created"]
    assert len(made) == 6 + len(evicted)
    assert all(note.details["owner"].startswith("ReplicaSet/") for note in made)
    changes = [note for note in ours if note.what == "endpoints-changed"]
    gone = {pod for note in changes for pod in note.details["removed"]}
    assert {note.subject for note in evicted} <= gone


async def a_monitor_pass(client, name):
    """Wait until the node lifecycle controller has gone round: it greets new nodes."""
    await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})

    def is_greeted(events):
        return any(event["reason"] == "RegisteredNode" for event in events)

    await until(client, EVENTS, "default", is_greeted, field_selector=f"involvedObject.name={name}")
    await client.delete(NODES, name)


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_a_kubelet_that_comes_back_is_not_contradicted(control_plane, namespace_of_test):
    """Its pods may be ready again a moment before its node is."""
    ns = namespace_of_test
    async with world(control_plane, ns, nodes=2) as (client, hollow):
        await client.create(SERVICES, service(), ns)
        await client.create(DEPLOYMENTS, deployment(replicas=2), ns)
        await until(client, ENDPOINTSLICES, ns, lambda s: len(ready_addresses(s)) == 2)
        lost = hollow.names[0]
        hollow.stopped.add(lost)
        await until(client, ENDPOINTSLICES, ns, lambda s: len(ready_addresses(s)) == 1)
        (pod,) = (await client.list(PODS, ns, field_selector=f"spec.nodeName={lost}"))["items"]
        back = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        await client.patch(
            PODS, pod["metadata"]["name"], back, ns, kind=PatchType.STRATEGIC, subresource="status"
        )
        await until(client, ENDPOINTSLICES, ns, lambda s: len(ready_addresses(s)) == 2)
        for number in range(2):  # The second pass began after the first, which saw the pod.
            await a_monitor_pass(client, f"{ns}-sign-{number}")
        slices = (await client.list(ENDPOINTSLICES, ns))["items"]
        assert len(ready_addresses(slices)) == 2


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_pods_of_a_node_that_was_deleted_are_collected(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns, nodes=1) as (client, hollow):
        name = hollow.names[0]
        pod = deployment()["spec"]["template"]
        pod["metadata"]["name"] = "alone"
        await client.create(PODS, {"apiVersion": "v1", "kind": "Pod", **pod}, ns)
        await until(client, PODS, ns, lambda pods: bool(pods and pods[0]["status"].get("podIP")))
        hollow.stopped.add(name)
        await client.delete(NODES, name)
        await until(client, PODS, ns, lambda pods: not pods)
        again = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        await client.create(NODES, again)


def budget(name="web", **spec):
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, **spec},
    }


async def evict(client, namespace, name, **options):
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": options,
    }
    await client.create(PODS, body, namespace, subresource="eviction", name=name)


def allows(count):
    return lambda items: [b.get("status", {}).get("disruptionsAllowed") for b in items] == [count]


@pytest.mark.asyncio
async def test_a_budget_is_spent_by_evictions_at_once_and_refilled(
    control_plane, namespace_of_test
):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, _):
        await client.create(DEPLOYMENTS, deployment(replicas=4), ns)
        await client.create(PODDISRUPTIONBUDGETS, budget(maxUnavailable="50%"), ns)
        await deployment_until(client, ns, is_rolled_out)
        [guard] = await until(client, PODDISRUPTIONBUDGETS, ns, allows(2))
        assert guard["status"]["expectedPods"] == 4
        assert condition(guard, "DisruptionAllowed")["reason"] == "SufficientPods"
        pods = (await client.list(PODS, ns))["items"]
        await evict(client, ns, name_of(pods[0]), dryRun=["All"])
        answers = await asyncio.gather(
            *(evict(client, ns, name_of(pod)) for pod in pods), return_exceptions=True
        )
        refused = [answer for answer in answers if isinstance(answer, StatusError)]
        assert len(refused) >= 1
        assert {error.code for error in refused} == {429}
        assert "disruption budget web" in refused[0].details["causes"][0]["message"]
        [guard] = await until(client, PODDISRUPTIONBUDGETS, ns, allows(2))
        left = (await client.list(PODS, ns))["items"]
        assert len(left) == 4
        assert not guard["status"].get("disruptedPods")


@pytest.mark.asyncio
async def test_a_budget_that_cannot_ask_a_controller_allows_nothing(
    control_plane, namespace_of_test
):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, _):
        owner = {"apiVersion": "x.io/v1", "kind": "Thing", "name": "t", "uid": "u1"}
        lone = {
            "metadata": {
                "name": "lone",
                "labels": {"app": "web"},
                "ownerReferences": [{**owner, "controller": True}],
            },
            "spec": {"containers": [{"name": "c", "image": "nginx"}]},
        }
        await client.create(PODS, lone, ns)
        await client.create(PODDISRUPTIONBUDGETS, budget(maxUnavailable=1), ns)

        def failed(items):
            found = condition(items[0], "DisruptionAllowed")
            return found is not None and found["reason"] == "SyncFailed"

        [guard] = await until(client, PODDISRUPTIONBUDGETS, ns, failed)
        assert guard["status"]["disruptionsAllowed"] == 0
