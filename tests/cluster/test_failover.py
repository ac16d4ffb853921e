"""A node dies, freezes and comes back; its work goes on elsewhere."""

from __future__ import annotations

from typing import Any

import psutil
import pytest
from clusters import Lab

from podwire.launcher import session

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("failover")]

PORT = 30080


def ready(lab: Lab, node: str) -> str:
    conditions = lab.objects(f"node/{node}")[0]["status"]["conditions"]
    return next(c["status"] for c in conditions if c["type"] == "Ready")


def endpoint_nodes(lab: Lab) -> list[str]:
    return [
        endpoint["nodeName"]
        for one in lab.objects("endpointslices", "-l", "kubernetes.io/service-name=web")
        for endpoint in one.get("endpoints") or []
        if endpoint["conditions"].get("ready")
    ]


def living_pods(lab: Lab) -> list[dict[str, Any]]:
    return [
        pod
        for pod in lab.objects("pods", "-l", "app=web")
        if "deletionTimestamp" not in pod["metadata"]
        and any(
            c["type"] == "Ready" and c["status"] == "True"
            for c in pod["status"].get("conditions", [])
        )
    ]


@pytest.mark.parametrize(("down", "up"), [("kill", "start"), ("pause", "resume")])
def test_a_lost_node_is_replaced_and_comes_back(web: Lab, down: str, up: str) -> None:
    web.eventually(lambda: len(living_pods(web)) == 6)
    if "node-2" not in endpoint_nodes(web):  # An earlier failover moved everything away.
        web.kubectl("rollout", "restart", "deployment/web")
        web.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    web.eventually(lambda: "node-2" in endpoint_nodes(web))
    web.podwire(f"node {down}", "node-2")
    if down == "kill":
        known = session.read(web.paths.session_file)
        assert known is not None
        titles = [" ".join(_cmdline(process)) for process in session.members(known)]
        assert not [title for title in titles if "node-2" in title], "all of the node died"

    web.eventually(lambda: ready(web, "node-2") == "Unknown", what="NotReady")
    web.eventually(lambda: "node-2" not in endpoint_nodes(web), within_s=5, what="endpoints out")
    names = {web.fetch(1, PORT, "/hostname") for _ in range(30)}
    assert names <= {pod["metadata"]["name"] for pod in living_pods(web)}
    taints = web.objects("node/node-2")[0]["spec"]["taints"]
    assert {"node.kubernetes.io/unreachable"} == {taint["key"] for taint in taints}

    web.eventually(
        lambda: (
            len(living_pods(web)) == 6
            and {p["spec"]["nodeName"] for p in living_pods(web)} == {"node-1", "node-3"}
        ),
        what="pods replaced",
    )

    web.podwire(f"node {up}", "node-2")
    web.eventually(lambda: ready(web, "node-2") == "True", what="node back")
    web.eventually(
        lambda: not web.objects("node/node-2")[0]["spec"].get("taints"), what="no taints"
    )
    web.eventually(
        lambda: all(
            "deletionTimestamp" not in pod["metadata"]
            for pod in web.objects("pods", "-l", "app=web")
        ),
        what="the dead pods are gone",
    )
    assert "node-2 Ready" in " ".join(web.kubectl("get", "node", "node-2", "--no-headers").split())
    web.eventually(lambda: web.fetch(2, PORT, "/hostname", timeout_s=2), what="its NodePort serves")


def _cmdline(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []


def test_impossible_actions_are_refused(web: Lab) -> None:
    assert "no node 'node-9'" in web.home.refused("node", "kill", "node-9", "--name", web.name)
    assert "is running" in web.home.refused("node", "start", "node-1", "--name", web.name)
    assert "no process" in web.home.refused("process", "kill", "x", "--name", web.name)
