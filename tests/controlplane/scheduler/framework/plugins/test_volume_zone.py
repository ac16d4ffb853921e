"""Rows after upstream's TestSingleZone, TestMultiZone, TestWithBinding and the hints' tests."""

import pytest
from cluster_facts import Listers, node_info, pod_info, reasons
from storage_facts import WAITS, claim, storage_class, volume

from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening
from controlplane.scheduler.framework.plugins.volume_zone import VolumeZone

ZONE, REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
OLD_ZONE = "failure-domain.beta.kubernetes.io/zone"
OLD_REGION = "failure-domain.beta.kubernetes.io/region"
CONFLICT = ("node(s) had no available volume zone",)


def using(*names):
    volumes = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in names]
    return pod_info(volumes=volumes)


def judged(node_labels, volume_labels, **facts):
    facts = {
        "claims": [claim(volumeName="v")],
        "volumes": [volume(labels=volume_labels)],
        "classes": [],
        **facts,
    }
    return reasons(VolumeZone(Listers(**facts)), using("c"), node_info(labels=node_labels))


@pytest.mark.parametrize(
    ("node", "its", "expected"),
    [
        ({}, {ZONE: "us-west1-a"}, ()),
        ({ZONE: "us-west1-a"}, {}, ()),
        ({ZONE: "us-west1-a"}, {ZONE: "us-west1-a"}, ()),
        ({ZONE: "us-west1-b"}, {ZONE: "us-west1-a"}, CONFLICT),
        ({OLD_ZONE: "us-west1-a", "uselessLabel": "none"}, {OLD_ZONE: "us-west1-a"}, ()),
        ({ZONE: "us-west1-a"}, {OLD_ZONE: "us-west1-a"}, ()),
        ({OLD_ZONE: "us-west1-a"}, {ZONE: "us-west1-a"}, CONFLICT),
        ({REGION: "us-west1"}, {REGION: "us-west1"}, ()),
        ({REGION: "us-west1"}, {REGION: "us-west2"}, CONFLICT),
        ({REGION: "us-west1"}, {OLD_REGION: "us-west1"}, ()),
        ({REGION: "us-west1"}, {ZONE: "us-west1-a"}, CONFLICT),
        ({ZONE: "us-west1-a"}, {ZONE: "us-west1-b__us-west1-a"}, ()),
        ({ZONE: "us-west1-c"}, {ZONE: "us-west1-b__us-west1-a"}, CONFLICT),
        ({ZONE: "us-west1-c"}, {ZONE: "us-west1-b__"}, ()),
        ({"uselessLabel": "none"}, {ZONE: "us-west1-a"}, ()),
    ],
)
def test_zones(node, its, expected):
    assert judged(node, its) == expected


IN_A = {ZONE: "a"}


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"claims": []}, 'persistentvolumeclaim "c" not found'),
        ({"volumes": []}, 'persistentvolume "v" not found'),
        (
            {"claims": [claim(of="")]},
            "PersistentVolumeClaim had no pv name and storageClass name",
        ),
        ({"claims": [claim()]}, 'storageclass.storage.k8s.io "fast" not found'),
        ({"claims": [claim()], "classes": [storage_class()]}, "PersistentVolume had no name"),
        ({"claims": [claim()], "classes": [storage_class(mode=WAITS)]}, ""),
    ],
)
def test_volumes_that_are_not_there_yet(facts, why):
    assert judged(IN_A, IN_A, **facts) == ((why,) if why else ())


@pytest.mark.parametrize(
    ("change", "helps"),
    [
        (Happening(ClusterEvent.CLAIM_CHANGED, None, claim("c")), True),
        (Happening(ClusterEvent.CLAIM_CHANGED, None, claim("d")), False),
        (Happening(ClusterEvent.VOLUME_CHANGED, None, volume()), True),
        (Happening(ClusterEvent.VOLUME_CHANGED, volume(), volume(labels=IN_A)), True),
        (Happening(ClusterEvent.VOLUME_CHANGED, volume(labels=IN_A), volume(labels=IN_A)), False),
        (Happening(ClusterEvent.CLASS_CHANGED, None, storage_class(mode=WAITS)), True),
        (Happening(ClusterEvent.CLASS_CHANGED, None, storage_class()), False),
    ],
)
def test_hints(change, helps):
    assert VolumeZone(Listers()).hints[change.event](using("c"), change) is helps
