"""Rows after upstream's TestCSILimits and TestCSILimitsAddedPVCQHint."""

import pytest
from cluster_facts import Listers, node_info, pod_info, reasons
from storage_facts import WAITS, claim, storage_class, volume

from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening
from controlplane.scheduler.framework.plugins.node_volume_limits import NodeVolumeLimits

FULL = ("node(s) exceed max volume count",)
EBS, GCE = "ebs.csi.aws.com", "pd.csi.storage.gke.io"


def using(*names, name="pod", ephemeral=()):
    volumes = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in names]
    volumes += [{"name": each, "ephemeral": {}} for each in ephemeral]
    return pod_info(name, volumes=volumes)


def there(name, driver=EBS, handle=""):
    """Return a claim with the volume that it is bound to."""
    source = {"driver": driver, "volumeHandle": handle or name}
    return claim(name, volumeName=f"v-{name}"), volume(f"v-{name}", csi=source)


BOUND = [there("a"), there("b"), there("g", GCE), there("twin", EBS, "a"), there("pod-e")]
DELAYED = [claim("d1", of="ebs"), claim("d2", of="ebs"), claim("other", of="none")]
FACTS = {
    "claims": [c for c, _ in BOUND] + DELAYED,
    "volumes": [v for _, v in BOUND] + [volume("v-plain")],
    "classes": [storage_class("ebs", mode=WAITS, provisioner=EBS)],
}


def judged(pod, *running, limit):
    drivers = [{"name": EBS, "nodeID": "n", "allocatable": {"count": limit}}]
    csi = [] if limit is None else [{"metadata": {"name": "node"}, "spec": {"drivers": drivers}}]
    plugin = NodeVolumeLimits(Listers(**FACTS, csi=csi))
    return reasons(plugin, pod, node_info(running=running))


THERE = using("a", name="there")


@pytest.mark.parametrize(
    ("pod", "running", "limit", "expected"),
    [
        (using("b"), [THERE], 2, ()),
        (using("b"), [THERE], 1, FULL),
        (using("b"), [THERE], None, ()),
        (using("a"), [THERE], 1, ()),
        (using("twin"), [THERE], 1, ()),
        (using("g"), [THERE], 1, ()),
        (using("a", "b"), [], 1, FULL),
        (using("d1"), [THERE], 1, FULL),
        (using("d1"), [using("d1", name="there")], 1, ()),
        (using("d1", "d2"), [], 1, FULL),
        (using("other"), [THERE], 1, ()),
        (using("unknown"), [THERE], 1, ()),
        (using(ephemeral=["e"]), [THERE], 1, FULL),
        (using(), [THERE, using("b", name="there-too")], 1, ()),
        (using("b"), [], 0, FULL),
    ],
    ids=["fits", "too-many", "no-limit", "the-same-claim", "the-same-volume", "another-driver",
         "two-of-its-own", "to-be-made", "to-be-made-for-both", "two-to-be-made", "no-class",
         "no-claim", "ephemeral", "none-of-its-own", "none-at-all"],
)  # fmt: skip
def test_limits(pod, running, limit, expected):
    assert judged(pod, *running, limit=limit) == expected


@pytest.mark.parametrize(
    ("change", "helps"),
    [
        (Happening(ClusterEvent.POD_GONE, THERE.obj, None), True),
        (Happening(ClusterEvent.POD_GONE, pod_info().obj, None), False),
        (Happening(ClusterEvent.CLAIM_CHANGED, None, claim("b")), True),
        (Happening(ClusterEvent.CLAIM_CHANGED, None, claim("a")), False),
    ],
)
def test_hints(change, helps):
    assert NodeVolumeLimits(Listers()).hints[change.event](using("b"), change) is helps
