"""Rows after upstream's TestGCEDiskConflicts, TestAWSDiskConflicts, TestISCSIDiskConflicts,
TestRBDDiskConflicts and TestAccessModeConflicts."""

import pytest
from cluster_facts import Listers, World, node_info, pod_info, reasons
from storage_facts import bound, claim, volume

from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.interface import SKIP
from controlplane.scheduler.framework.plugins.volume_restrictions import VolumeRestrictions

NO_DISK = ("node(s) had no available disk",)
TAKEN = (
    "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode",
)


def disk(kind, name="pod", **source):
    return pod_info(name, volumes=[{"name": "v", kind: source}])


def using(*names, name="pod", **facts):
    volumes = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in names]
    return pod_info(name, volumes=volumes, **facts)


def plugin(nodes=(), *claims):
    return VolumeRestrictions(Listers(claims=claims), lambda: nodes)


RBD = {"monitors": ["a", "b"], "pool": "bar", "image": "bar"}


@pytest.mark.parametrize(
    ("kind", "mine", "theirs", "refused"),
    [
        ("gcePersistentDisk", {"pdName": "foo"}, {"pdName": "foo"}, True),
        ("gcePersistentDisk", {"pdName": "foo"}, {"pdName": "bar"}, False),
        ("gcePersistentDisk", {"pdName": "foo", "readOnly": True},
         {"pdName": "foo", "readOnly": True}, False),
        ("gcePersistentDisk", {"pdName": "foo", "readOnly": True}, {"pdName": "foo"}, True),
        ("awsElasticBlockStore", {"volumeID": "foo"}, {"volumeID": "foo"}, True),
        ("awsElasticBlockStore", {"volumeID": "foo", "readOnly": True},
         {"volumeID": "foo", "readOnly": True}, True),
        ("awsElasticBlockStore", {"volumeID": "foo"}, {"volumeID": "bar"}, False),
        ("iscsi", {"iqn": "disk1", "lun": 0}, {"iqn": "disk1", "lun": 1}, True),
        ("iscsi", {"iqn": "disk1"}, {"iqn": "disk2"}, False),
        ("iscsi", {"iqn": "d", "readOnly": True}, {"iqn": "d", "readOnly": True}, False),
        ("rbd", RBD, RBD, True),
        ("rbd", RBD, {**RBD, "monitors": ["b", "c"]}, True),
        ("rbd", RBD, {**RBD, "monitors": ["c", "d"]}, False),
        ("rbd", RBD, {**RBD, "pool": "foo"}, False),
        ("rbd", RBD, {**RBD, "image": "foo"}, False),
        ("rbd", {**RBD, "readOnly": True}, {**RBD, "readOnly": True}, False),
    ],
)  # fmt: skip
def test_disks(kind, mine, theirs, refused):
    node = node_info(running=[disk(kind, "there", **theirs)])
    assert reasons(plugin(), disk(kind, **mine), node) == (NO_DISK if refused else ())


def test_a_disk_refuses_its_node_alone():
    there = disk("gcePersistentDisk", "there", pdName="foo")
    nodes = [node_info("a", [there]), node_info("b")]
    world = World(nodes)
    assert world.schedule(disk("gcePersistentDisk", pdName="foo")).node_name == "b"


ALONE = claim("c", modes=["ReadWriteOncePod"])
SHARED = claim("s", modes=["ReadWriteMany"])


@pytest.mark.parametrize(
    ("pod", "running", "expected"),
    [
        (using(), (), SKIP),
        (using("s"), ("s",), SKIP),
        (using("c"), (), ()),
        (using("c"), ("s",), ()),
        (using("c"), ("c",), TAKEN),
        (using("c", "s"), ("c",), TAKEN),
        (using("gone"), (), ('persistentvolumeclaim "gone" not found',)),
    ],
    ids=["nothing", "shared", "free", "another", "taken", "one-of-two", "no-such-claim"],
)
def test_a_claim_of_one_pod(pod, running, expected):
    """It is taken on every node, wherever the pod runs that has it."""
    nodes = [node_info("a", [using(*running, name="there")] if running else []), node_info("b")]
    judge = plugin(nodes, ALONE, SHARED)
    if expected is SKIP:
        assert judge.pre_filter(CycleState(), pod, nodes) is SKIP
    else:
        assert [reasons(judge, pod, node, nodes) for node in nodes] == [expected, expected]


def test_who_has_the_claim_may_have_to_go():
    facts = [bound(ALONE, volume(modes=["ReadWriteOncePod"]))]
    listers = Listers(claims=[c for c, _ in facts], volumes=[v for _, v in facts])
    nodes = [node_info("a", [using("c", name="low")]), node_info("b")]
    found = World(nodes, listers=listers).schedule(using("c", name="king", priority=10))
    assert found.message.startswith(f"0/2 nodes are available: 2 {TAKEN[0]}.")
    assert [v.key for v in found.preemption.victims] == ["ns/low"]
    assert found.preemption.node_name == "a"


@pytest.mark.parametrize(
    ("change", "helps"),
    [
        (Happening(ClusterEvent.POD_GONE, using("c", name="x").obj, None), True),
        (Happening(ClusterEvent.POD_GONE, using("s", name="x").obj, None), False),
        (Happening(ClusterEvent.CLAIM_CHANGED, None, ALONE), True),
        (Happening(ClusterEvent.CLAIM_CHANGED, None, SHARED), False),
    ],
    ids=["its-claim-is-free", "another-is-free", "its-claim-is-there", "another-is-there"],
)
def test_hints(change, helps):
    assert plugin().hints[change.event](using("c"), change) is helps


def test_a_disk_that_is_free_helps():
    gone = disk("gcePersistentDisk", "there", pdName="foo").obj
    change = Happening(ClusterEvent.POD_GONE, gone, None)
    hint = plugin().hints[ClusterEvent.POD_GONE]
    assert hint(disk("gcePersistentDisk", pdName="foo"), change)
    assert not hint(disk("gcePersistentDisk", pdName="bar"), change)
