"""Pods that take more disk than they may (eviction_manager_test.go: TestLocalStorageEviction…)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from nodeagent.kubelet.disk_usage import container_disk
from nodeagent.kubelet.eviction.local_storage import excess, is_limited

MIB = 1 << 20


def pod(*limits: str | None, volumes=()):
    containers = [
        {"name": f"c{n}", "resources": {"limits": {"ephemeral-storage": text}} if text else {}}
        for n, text in enumerate(limits)
    ]
    return {"spec": {"containers": containers, "volumes": list(volumes)}}


CACHE = {"name": "cache", "emptyDir": {"sizeLimit": "1Mi"}}
FREE = {"name": "free", "emptyDir": {}}
MEMORY = {"name": "memory", "emptyDir": {"medium": "Memory"}}
DISK = {"name": "disk", "persistentVolumeClaim": {"claimName": "x"}}


@pytest.mark.parametrize(
    ("one", "volumes", "containers", "message"),
    [
        (pod("1Mi"), {}, {"c0": MIB}, ""),
        (pod(None), {}, {"c0": 100 * MIB}, ""),
        (
            pod("1Mi", "3Mi"),
            {},
            {"c0": 2 * MIB, "c1": 0},
            'Container c0 exceeded its local ephemeral storage limit "1Mi". ',
        ),
        (
            pod("1Mi", "3Mi", volumes=[FREE]),
            {"free": 3 * MIB},
            {"c0": MIB, "c1": MIB},
            "Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. ",
        ),
        (
            pod("1Mi", None),
            {},
            {"c0": 0, "c1": 2 * MIB},
            "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ",
        ),
        (pod("1Mi", volumes=[MEMORY, DISK]), {"memory": 9 * MIB, "disk": 9 * MIB}, {"c0": 0}, ""),
        (
            pod("9Mi", volumes=[CACHE]),
            {"cache": 2 * MIB},
            {"c0": 100 * MIB},
            'Usage of EmptyDir volume "cache" exceeds the limit "1Mi". ',
        ),
    ],
)
def test_who_must_go_and_why(one, volumes, containers, message):
    assert excess(one, volumes, containers) == message


def test_only_pods_with_limits_are_measured():
    assert is_limited(pod("1Mi"))
    assert is_limited(pod(None, volumes=[CACHE]))
    zero = {"name": "zero", "emptyDir": {"sizeLimit": "0"}}
    assert not is_limited(pod(None, volumes=[FREE, zero]))


def test_a_containers_logs_and_files_are_its_own(tmp_path: Path):
    """Those of the run before count, too, while they are there."""
    one = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {}}
    for path, octets in (
        ("n_p_u/a/0.log", 10_000),
        ("s/rootfs/a0/big", 20_000),
        ("s/rootfs/a1/big", 30_000),
        ("s/rootfs/b0/big", 5),
    ):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * octets)
    ids = {"a0": "a", "a1": "a", "b0": "b"}
    seen = SimpleNamespace(
        containers=[SimpleNamespace(id=id, name=ids[id], sandbox_id="s") for id in ids]
    )
    used = container_disk(tmp_path, one, seen)
    assert 60_000 <= used["a"] < 80_000
    assert used["b"] < 8192
