"""Nodes come and go: drains that ask budgets, joining, leaving without a trace."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import psutil
import pytest
from clusters import Lab

from podwire.launcher import session

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("drain"), pytest.mark.timeout(180)]

BUDGET = "Cannot evict pod as it would violate the pod's disruption budget."
APP = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  replicas: 2
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      nodeSelector: {pool: app}
      containers:
        - name: app
          image: registry.k8s.io/e2e-test-images/agnhost:2.53
          args: [netexec]
          readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}
          lifecycle: {preStop: {sleep: {seconds: 1}}}
          volumeMounts: [{name: scratch, mountPath: /scratch}]
      volumes: [{name: scratch, emptyDir: {}}]
---
apiVersion: v1
kind: Service
metadata: {name: app}
spec:
  selector: {app: app}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: app}
spec: {minAvailable: 2, selector: {matchLabels: {app: app}}}
"""


@pytest.fixture(scope="module")
def app(lab: Lab) -> Lab:
    """Two pods on node-2, of which none may go."""
    lab.kubectl("label", "node", "node-2", "pool=app")
    lab.apply(APP)
    lab.kubectl("rollout", "status", "deployment/app", "--timeout=60s")
    return lab


def drain(lab: Lab, *options: str) -> subprocess.CompletedProcess[str]:
    words = ["node", "drain", "node-2", "--name", lab.name, *options]
    return lab.home.run([sys.executable, "-m", "podwire", *words])


def test_local_data_forbids_a_drain_before_anything_is_evicted(app: Lab) -> None:
    said = drain(app)
    assert said.returncode == 1
    assert said.stdout == "node/node-2 cordoned\n"
    assert "Pods with local storage (use --delete-emptydir-data to override)" in said.stderr
    assert app.podwire("node uncordon node-2") == "node/node-2 uncordoned\n"
    assert app.podwire("node uncordon node-2") == "node/node-2 already uncordoned\n"


def test_a_dry_run_takes_nothing_away(app: Lab) -> None:
    said = drain(app, "--delete-emptydir-data", "--dry-run", "client")
    assert said.returncode == 0
    assert said.stdout.startswith("node/node-2 cordoned (dry run)\nevicting pod default/app-")
    assert said.stdout.endswith("\nnode/node-2 drained (dry run)\n")
    assert "unschedulable" not in app.objects("node", "node-2")[0]["spec"]


def test_a_budget_holds_a_drain_up_until_others_are_ready(app: Lab) -> None:
    before = {pod["metadata"]["name"] for pod in app.objects("pods", "-l", "app=app")}
    held = drain(app, "--delete-emptydir-data", "--timeout", "2s")
    assert held.returncode == 1
    assert f"(will retry after 1s): {BUDGET}" in held.stderr
    assert "global timeout reached: 2s" in held.stderr
    assert "The disruption budget app needs 2 healthy pods and has 2 currently" in held.stderr
    assert {pod["metadata"]["name"] for pod in app.objects("pods", "-l", "app=app")} == before
    (refused,) = {note["details"]["budget"] for note in notes(app, "eviction-refused")}
    assert refused == "app"

    app.kubectl("label", "node", "node-1", "node-3", "pool=app")
    app.kubectl("scale", "deployment/app", "--replicas=3")
    said = drain(app, "--delete-emptydir-data", "--timeout", "60s")
    assert said.returncode == 0, said.stderr
    assert all(f"pod/{name} evicted\n" in said.stdout for name in before)
    assert said.stdout.endswith("node/node-2 drained\n")
    app.kubectl("rollout", "status", "deployment/app", "--timeout=60s")
    places = {pod["spec"]["nodeName"] for pod in app.objects("pods", "-l", "app=app")}
    assert places <= {"node-1", "node-3"}
    explained = json.loads(app.podwire("events --explain -o json"))
    told = [step["step"] for step in explained["steps"]]
    for step in ("cordoned", "eviction-refused", "api-evicted", "pod-stopping", "pod-stopped"):
        assert step in told
    app.podwire("node uncordon node-2")


def test_kubectls_drain_does_the_same(app: Lab) -> None:
    app.kubectl("rollout", "restart", "deployment/app")
    app.kubectl("rollout", "status", "deployment/app", "--timeout=60s")
    node = app.objects("pods", "-l", "app=app")[0]["spec"]["nodeName"]
    refused = app.kubectl("drain", node, check=False)
    assert "cannot delete Pods with local storage" in refused
    options = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
    assert f"node/{node} drained" in app.kubectl("drain", node, *options, timeout_s=90)
    app.kubectl("uncordon", node)


def notes(lab: Lab, what: str) -> list[dict[str, dict[str, str]]]:
    found: list[dict[str, dict[str, str]]] = json.loads(
        lab.podwire(f"events --what {what} -o json")
    )
    return found


def tables(lab: Lab) -> str:
    """Return what node-1 knows of other nodes."""
    return "".join(lab.podwire(f"{view} node-1") for view in ("fdb", "routes", "neigh"))


def descriptors(lab: Lab) -> int:
    """Return how many files the processes that stay have open."""
    known = session.read(lab.paths.session_file)
    assert known is not None
    names = ("launcher", "fabric", "node-1")
    return sum(
        process.num_fds()
        for process in map(psutil.Process, (each.pid for each in session.members(known)))
        if any(name in " ".join(process.cmdline()) for name in names)
    )


def test_a_node_leaves_no_trace(lab: Lab) -> None:
    """Twice: the second one shows that nothing was left of the first."""
    open_before = 0
    address = "192.168.64.4"
    for _ in range(2):
        lab.podwire("node add")
        (node,) = lab.objects("node", "node-4")
        assert node["spec"]["podCIDR"].split("/")[0] in tables(lab)
        assert address in tables(lab)
        lab.kubectl("run", "lonely", "--image=registry.k8s.io/pause:3.10", "--overrides",
                    json.dumps({"spec": {"nodeName": "node-4"}}))  # fmt: skip
        lab.kubectl("wait", "pod/lonely", "--for=condition=Ready", "--timeout=30s")

        words = [sys.executable, "-m", "podwire", "node", "rm", "node-4", "--name", lab.name]
        assert "lost with it: default/lonely" in lab.home.run(words).stderr
        assert "node-4" not in [one["metadata"]["name"] for one in lab.objects("nodes")]
        assert lab.kubectl("get", "lease", "node-4", "-n", "kube-node-lease", check=False).endswith(
            '"node-4" not found\n'
        )
        lab.eventually(lambda: address not in tables(lab), what="the FDB forgets the node")
        assert node["spec"]["podCIDR"].split("/")[0] not in tables(lab)
        lab.kubectl(
            "delete",
            "pod",
            "lonely",
            "--force",
            "--grace-period=0",
            "--wait=false",
            "--ignore-not-found",
        )  # The pod garbage collector may have been here first.
        _assert_nothing_is_left(lab)
        open_before = open_before or descriptors(lab)
    lab.eventually(lambda: descriptors(lab) <= open_before, what="no descriptor was leaked")


def _assert_nothing_is_left(lab: Lab) -> None:
    for folder in ("nodes", "config", "pki", "kubeconfigs", "control"):
        left = [path.name for path in (lab.paths.directory / folder).rglob("node-4*")]
        assert left == [], folder
    address = lab.cluster.transport_address(4)
    for kind, port in ((socket.SOCK_DGRAM, 4789), (socket.SOCK_STREAM, 10250)):
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))


def test_hollow_nodes_come_run_pods_die_and_go(lab: Lab) -> None:
    lab.podwire("node add --hollow --count 2")
    made = {one["metadata"]["name"]: one for one in lab.objects("nodes")}
    assert made["hollow-2"]["metadata"]["labels"]["podwire.io/node-kind"] == "hollow"
    assert made["node-1"]["metadata"]["labels"]["podwire.io/node-kind"] == "live"
    overrides = json.dumps({"spec": {"nodeSelector": {"podwire.io/node-kind": "hollow"}}})
    lab.kubectl("run", "row", "--image=registry.k8s.io/pause:3.10", "--overrides", overrides)
    lab.kubectl("wait", "pod/row", "--for=condition=Ready", "--timeout=30s")
    (pod,) = lab.objects("pod", "row")
    assert pod["status"]["hostIP"].startswith("192.168.72.")
    assert "does not answer" in lab.kubectl(
        "logs", "row", check=False
    )  # No kubelet answers for it.
    lab.kubectl("delete", "pod", "row", "--wait=true")

    lab.podwire("node kill hollow-1")
    assert "already dead" in lab.home.refused("node", "kill", "hollow-1", "--name", lab.name)
    lab.kubectl("wait", "node/hollow-1", "--for=condition=Ready=Unknown", "--timeout=30s")
    assert "podwire process pause hollow" in lab.home.refused(
        "node", "pause", "hollow-2", "--name", lab.name
    )
    lab.podwire("node start hollow-1")
    lab.kubectl("wait", "node/hollow-1", "--for=condition=Ready", "--timeout=30s")
    lab.podwire("node rm hollow-1")
    lab.podwire("node rm hollow-2")
    assert [one["metadata"]["name"] for one in lab.objects("nodes")] == [
        "node-1",
        "node-2",
        "node-3",
    ]
    assert "there is no hollow-2" in lab.home.refused("node", "rm", "hollow-2", "--name", lab.name)
