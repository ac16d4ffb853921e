"""References that contradict what there is: upstream's TestConflictingData, its ends row by row.

Each row tells what becomes of a child, in both orders of being seen; and what the event says.
"""

from __future__ import annotations

import asyncio

import pytest
from memory_api import MemoryApi

from controlplane.controllermanager.garbagecollector.controller import GarbageCollector
from kubeapi.resources import DEPLOYMENTS, NODES, PODS, ROLES

POD = (PODS, "v1", "Pod")
NODE = (NODES, "v1", "Node")
ROLE = (ROLES, "rbac.authorization.k8s.io/v1", "Role")
DEPLOYMENT = (DEPLOYMENTS, "apps/v1", "Deployment")


def named(kind, namespace, name, uid, *references):
    metadata = {"name": name, "uid": uid, "ownerReferences": list(references)}
    if namespace:
        metadata["namespace"] = namespace
    return kind[0], {"metadata": metadata}


def reference(version, kind, name, uid):
    return {"apiVersion": version, "kind": kind, "name": name, "uid": uid}


TO_NODE = reference("v1", "Node", "nodename", "nodeuid1")
TO_POD_2 = reference("v1", "Pod", "podname2", "poduid2")
TO_POD_1 = reference("v1", "Pod", "podname1", "poduid1")
TO_DEPLOYMENT = reference("apps/v1", "Deployment", "deployment1", "duid1")
TO_UNSERVED = reference("extensions/v1beta1", "Deployment", "deployment1", "duid1")
TO_SECRET = reference("v1", "Secret", "secretname", "duid1")
TO_ROLE = reference("rbac.authorization.k8s.io/v1", "Role", "role1", "ruid1")

IN_NS1 = named(DEPLOYMENT, "ns1", "deployment1", "duid1")
ELSEWHERE = (
    "ownerRef [v1/Pod, namespace: ns1, name: podname2, uid: poduid2] "
    'does not exist in namespace "ns1"'
)
NOWHERE = (
    'ownerRef [v1/Pod, namespace: , name: podname1, uid: poduid1] does not exist in namespace ""'
)


def child(*references):
    return named(POD, "ns1", "child", "cuid", *references)


CASES = {
    "good child -> cluster-scoped owner": (
        child(TO_NODE),
        named(NODE, "", "nodename", "nodeuid1"),
        "stays",
        "",
    ),
    "bad child in ns1 -> owner in ns2": (
        child(TO_POD_2),
        named(POD, "ns2", "podname2", "poduid2"),
        "goes",
        ELSEWHERE,
    ),
    "bad cluster-scoped child -> owner in ns1": (
        named(NODE, "", "nodename", "nodeuid1", TO_POD_1),
        named(POD, "ns1", "podname1", "poduid1"),
        "stays",
        NOWHERE,
    ),
    "cluster-scoped child -> namespaced owner that is nowhere": (
        named(NODE, "", "nodename", "nodeuid1", TO_POD_1),
        None,
        "stays",
        "",
    ),
    "child -> existing owner with inaccessible API version": (
        child(TO_UNSERVED),
        IN_NS1,
        "stays",
        "",
    ),
    "child -> non-existent owner with inaccessible API version": (
        child(TO_UNSERVED),
        None,
        "stays",
        "",
    ),
    "child -> non-existent owner": (child(TO_DEPLOYMENT), None, "goes", ""),
    "bad child that gives another kind the owner's uid": (child(TO_SECRET), IN_NS1, "goes", ""),
    "child -> existing owner and a wrong one": (
        child(TO_DEPLOYMENT, TO_ROLE),
        IN_NS1,
        "loses ruid1",
        "",
    ),
    "child -> one of the same name that was made anew": (
        child(TO_DEPLOYMENT),
        named(DEPLOYMENT, "ns1", "deployment1", "another"),
        "goes",
        "",
    ),
}


@pytest.mark.parametrize("owner_first", [True, False], ids=["owner first", "child first"])
@pytest.mark.parametrize("case", CASES)
def test_conflicting_data(case, owner_first):
    made, owner, fate, event = CASES[case]
    asyncio.run(_check(made, owner, fate, event, owner_first=owner_first))


async def _check(made, owner, fate, event, *, owner_first):
    api = MemoryApi()
    collector = GarbageCollector(api)
    api.put(*made)
    if owner is not None:
        api.put(*owner)
    informers = [made[0], *([owner[0]] if owner else [])]
    for resource in reversed(informers) if owner_first else informers:
        api.deliver(resource)
        if not owner_first:
            await _work(api, collector)
    await _work(api, collector)
    left = [obj for obj in api.store(made[0]).values() if obj["metadata"]["uid"] != "poduid2"]
    assert bool(left) is (fate != "goes")
    if fate.startswith("loses"):
        assert [r["uid"] for r in left[0]["metadata"]["ownerReferences"]] == ["duid1"]
    told = [text for *_, text in api.recorded.told]
    if owner_first or fate == "stays":  # Who is deleted before its owner is seen has no event.
        assert set(told) == ({event} if event else set())


def test_what_is_remembered_of_one_place_means_nothing_in_another():
    """One namespace has no such owner; a dependent of the same uid beside the owner stays."""

    async def check():
        owner = named(POD, "ns2", "podname2", "poduid2")
        api = MemoryApi(owner, child(TO_POD_2), named(POD, "ns2", "good", "guid", TO_POD_2))
        collector = GarbageCollector(api)
        await _work(api, collector)
        assert sorted(api.store(PODS)) == ["ns2/good", "ns2/podname2"]
        api.end(PODS, owner[1])
        await _work(api, collector)
        assert sorted(api.store(PODS)) == []

    asyncio.run(check())


def test_owners_in_a_circle_cost_one_look_each():
    """Nobody outside owns them, and each exists: they stay, and nobody asks again and again."""

    async def check():
        first = named(POD, "ns1", "podname1", "poduid1", TO_POD_2)
        second = named(POD, "ns1", "podname2", "poduid2", TO_POD_1)
        api = MemoryApi(first, second)
        collector = GarbageCollector(api)
        await _work(api, collector)
        assert len(api.store(PODS)) == 2
        assert len(api.asked) <= 2
        assert not api.writes
        api.leave(PODS, api.store(PODS)["ns1/podname1"])
        await _work(api, collector)
        assert not api.store(PODS)

    asyncio.run(check())


async def _work(api, collector):
    """Let the collector look at what it wants to, and see what comes of it."""
    for _ in range(10):
        api.deliver()
        while (uid := collector._queue.get_nowait()) is not None:
            await collector._reconcile(uid)
            collector._queue.done(uid)
