"""Projects that are made anew for one test: three masters, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

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


def _pod(name: str, node: str, image: str, *command: str) -> dict[str, Any]:
    container = {"name": "main", "image": image, "command": list(command)}
    if not command:
        del container["command"]
        container["args"] = ["netexec"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"nodeName": node, "restartPolicy": "Never", "containers": [container]},
    }


def test_pods_of_both_families_meet_and_carry_jumbo_frames(project: Project) -> None:
    def apply(name: str, manifest: dict[str, Any]) -> None:
        (project.folder / name).write_text(json.dumps(manifest))
        project.kubectl("apply", "-f", str(project.folder / name))

    project.compose("up", "--detach", PODWIRE_IP_FAMILY="dual", PODWIRE_MTU="9000")
    project.until(project.all_ready, within_s=90)
    apply("server", _pod("server", "node-2", "registry.k8s.io/e2e-test-images/agnhost:2.53"))
    ports = [{"port": 80, "targetPort": 8080, "nodePort": 30081}]
    only6 = {"type": "NodePort", "ipFamilies": ["IPv6"], "selector": {"app": "server"}}
    service = {"metadata": {"name": "six"}, "spec": {**only6, "ports": ports}}
    apply("service", {"apiVersion": "v1", "kind": "Service", **service})
    project.kubectl("wait", "pod", "server", "--for=condition=Ready", "--timeout=60s")
    status = json.loads(project.kubectl("get", "pod", "server", "-o", "json"))["status"]
    four, six = (each["ip"] for each in status["podIPs"])
    says = f"ping -c 1 -s 8000 {four}; ping -6 -c 1 -s 8000 {six}; wget -qO- http://[{six}]:8080/hostname"
    apply("asker", _pod("asker", "node-1", "busybox", "sh", "-c", says + "; echo; ip link"))
    ended = "--for=jsonpath={.status.phase}=Succeeded"
    project.kubectl("wait", "pod", "asker", ended, "--timeout=60s")
    told = project.kubectl("logs", "asker")
    assert told.count(" 0% packet loss") == 2
    assert "server" in told.splitlines()
    assert "mtu 8950" in told
    for node in project.nodes:  # By the node's IPv4 from here, by IPv6 to the pod.
        project.until(
            lambda node=node: (
                project.get(f"http://{project.nodes[node]}:30081/hostname") == "server"
            ),
            within_s=30,
        )
