"""Projects that are made anew for one test: three masters, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.xdist_group("compose"),
    pytest.mark.timeout(240),
]


def test_any_master_may_be_killed(project: Project) -> None:
    """Three of each: one of every kind dies, also whoever leads, and nothing stops."""
    project.compose("--profile", "ha", "up", "--detach")
    project.until(project.all_ready, within_s=90)
    project.deploy()
    project.compose("kill", "apiserver", "etcd-2", "scheduler", "controller-manager-3")
    project.kubectl("scale", "deployment/web", "--replicas=8")
    project.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert project.all_ready()
    project.compose("start", "apiserver", "etcd-2", "scheduler", "controller-manager-3")
    addresses = "jsonpath={.subsets[*].addresses[*].ip}"
    project.until(
        lambda: (
            len(project.kubectl("get", "endpoints", "kubernetes", "-o", addresses).split()) == 3
        ),
        within_s=30,
    )


def test_another_clusters_etcd_is_refused(project: Project) -> None:
    project.compose("create", "setup")
    mount = f"{project.name}_etcd-1:/etcd"
    run = ("run", "--rm", "--network", "none", "--user", "0:0", "--volume", mount)
    project.docker(*run, "python:3.13-slim", "touch", "/etcd/member")
    up = project.compose("up", "--detach", check=False)
    assert up.returncode != 0
    said = project.compose("logs", "setup").stdout
    assert "the volume etcd-1 holds the data of another cluster" in said


def test_one_master_does_not_become_three(project: Project) -> None:
    project.compose("run", "--rm", "setup")
    up = project.compose("--profile", "ha", "up", "--detach", check=False)
    assert up.returncode != 0
    assert "this cluster has one master" in project.compose("logs", "setup").stdout
