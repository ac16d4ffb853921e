"""What runs in a cluster: the names that status shows."""

from __future__ import annotations

import pytest

from podwire.cluster import plan
from podwire.cluster.layout import Cluster


def test_one_control_plane_has_plain_names() -> None:
    names = [process.name for process in plan.processes(Cluster(name="lab", nodes=1))]
    assert names[:3] == ["apiserver", "controller-manager", "scheduler"]
    assert names[-3:] == ["node-1/podruntime", "node-1/datapath", "node-1/nodeagent"]


@pytest.mark.parametrize("control_planes", [1, 3])
def test_every_control_plane_has_its_etcd(control_planes: int) -> None:
    cluster = Cluster(name="lab", nodes=1, store="etcd", control_planes=control_planes)
    names = [process.name for process in plan.control_plane(cluster)]
    numbers = ["-1", "-2", "-3"] if control_planes == 3 else [""]
    for component in ("etcd", "apiserver", "scheduler", "controller-manager"):
        assert {f"{component}{number}" for number in numbers} <= {*names}
    assert len(names) == len(set(names))


def test_a_name_is_a_file_name() -> None:
    (first, *_) = plan.node(7)
    assert (first.name, first.file_name, first.node) == (
        "node-7/podruntime",
        "node-7.podruntime",
        "node-7",
    )
