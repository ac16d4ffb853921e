"""`python://` images: unmodified asyncio programs that meet across nodes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from clusters import Lab
from pods import Pod

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("python-images")]


def start(lab: Lab, name: str, node: int, target: str, *args: str) -> None:
    container = {"name": "main", "image": f"python://python_apps:{target}", "args": list(args)}
    lab.apply(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name},
                "spec": {
                    "nodeName": f"node-{node}",
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 1,
                    "containers": [container],
                },
            }
        )
    )


def serve(lab: Lab, name: str, node: int, target: str) -> str:
    """Start a server; return its address."""
    start(lab, name, node, target)
    lab.kubectl("wait", "pod", name, "--for=condition=Ready", "--timeout=30s")
    return Pod(lab, name).address


def output_of(lab: Lab, name: str) -> str:
    """Wait until a pod has run to its end; return its log."""
    lab.kubectl("wait", "pod", name, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    return lab.kubectl("logs", name)


def result_of(lab: Lab, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output_of(lab, name))
    return found


@pytest.mark.parametrize("node", [1, 2])
def test_aiohttp_meets_aiohttp(lab: Lab, node: int) -> None:
    address = serve(lab, f"site-{node}", 1, "site")
    start(lab, f"visitor-{node}", node, "visit", address)
    result = result_of(lab, f"visitor-{node}")
    print(result)
    assert [result[what] for what in ("up", "down", "many", "echoes")] == [True] * 4
    assert min(result["up_mbit_s"], result["down_mbit_s"]) > 20


def test_streams_answer_without_nagles_delay(lab: Lab) -> None:
    address = serve(lab, "echo", 1, "echo")
    start(lab, "chat", 3, "chat", address)
    assert result_of(lab, "chat")["p50_ms"] < 30


def test_the_api_server_speaks_tls_at_its_service(lab: Lab) -> None:
    start(lab, "stranger", 2, "ask_api_server")
    assert output_of(lab, "stranger").split()[1] in ("401", "403")
