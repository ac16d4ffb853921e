"""A cluster whose pods get their addresses from Debian's host-local, and networks that break."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from clusters import EXAMPLES, Home, Lab
from pods import Pod

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("cni")]


@pytest.fixture
def lab(home: Home) -> Lab:
    if not Path("/usr/lib/cni/host-local").exists():
        pytest.skip("containernetworking-plugins is not installed")
    conf = str(EXAMPLES / "host-local.conflist")
    home.podwire("up", "--name", "t-cni", "--nodes", "2", "--cni-conf", conf)
    return Lab(home, "t-cni")


def pod(name: str, node: int) -> str:
    args = ["netexec", "--http-port=8080"]
    image = "registry.k8s.io/e2e-test-images/agnhost:2.53"
    spec = {
        "nodeName": f"node-{node}",
        "containers": [{"name": "main", "image": image, "args": args}],
        "terminationGracePeriodSeconds": 0,
    }
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def taken(lab: Lab) -> dict[str, str]:
    files = (lab.paths.directory / "nodes").glob("*/cni/networks/mynet/1*")
    return {path.name: path.read_text().splitlines()[0] for path in files}


def ready_message(lab: Lab, node: str) -> str:
    (found,) = lab.objects("node", node)
    conditions: list[dict[str, Any]] = found["status"]["conditions"]
    return next(str(c["message"]) for c in conditions if c["type"] == "Ready")


def test_host_locals_addresses_broken_networks_and_a_killed_agent(lab: Lab) -> None:
    lab.apply("\n".join([pod("one", 1), pod("two", 2), pod("three", 1)]))
    lab.kubectl("wait", "pod/one", "pod/two", "pod/three", "--for=condition=Ready")
    one, two = Pod(lab, "one"), Pod(lab, "two")
    assert one.get(f"http://{two.address}:8080/hostname") == "two"
    owners = {p["status"]["podIP"]: p["metadata"]["uid"] for p in lab.objects("pods")}
    assert taken(lab) == owners

    # A network that nobody can read: the node says so, and is Ready when it is mended.
    configurations = lab.paths.node("node-1") / "cni" / "net.d"
    mine = configurations / "00-mine.conflist"
    mine.write_text("{")
    text = (
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
        f"message:Network plugin returns error: cni plugin not initialized: failed to load cni "
        f"config: {mine}: "
    )
    lab.eventually(lambda: ready_message(lab, "node-1").startswith(text))

    # One whose plugin is not there: the pod's event says so, and it is tried again.
    document = {"cniVersion": "1.0.0", "name": "mine", "plugins": [{"type": "no-such"}]}
    mine.write_text(json.dumps(document))
    lab.eventually(lambda: ready_message(lab, "node-1") == "kubelet is posting ready status")
    lab.apply(pod("four", 1))
    said = 'plugin type="no-such" failed (add): failed to find plugin "no-such" in path ['
    lab.eventually(lambda: said in events(lab, "FailedCreatePodSandBox"))
    mine.unlink()
    lab.kubectl("wait", "pod/four", "--for=condition=Ready")

    # The agent dies, pods are deleted meanwhile: their addresses come back with its successor.
    os.kill(lab.pid("node-1/nodeagent"), signal.SIGKILL)
    lab.kubectl("delete", "pod", "--all", "--wait=true", "--timeout=30s")
    lab.eventually(lambda: not taken(lab))


def events(lab: Lab, reason: str) -> str:
    return "\n".join(e["message"] for e in lab.objects("events") if e["reason"] == reason)
