"""A sample of the truth table of Services, through all the processes of a cluster.

The table is that of tests/nodeagent/datapath/test_services.py: its cells must come out the same
with an API server, controllers, kube-proxies and real pods in between.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from clusters import Lab
from pods import Pod

from kubeapi.client import RestClient
from kubeapi.resources import SERVICES

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("service-table")]

_TABLE = Path(__file__).parents[1] / "nodeagent" / "datapath" / "services.txt"
_PLACEMENTS = ("none", "L", "R", "LR")
_TRIES = 12
#: Who is an endpoint, by the name of the pod: client and left on node-1, right on node-2.
_SELECTED = {"none": {"app": "nobody"}, "L": {"at": "L"}, "R": {"at": "R"}, "LR": {"app": "end"}}
_NAMES = {"left": "L", "right": "R"}
_NODE = "192.168.64.1"


def _cases() -> list[tuple[str, ...]]:
    """Return (address, policy, source, placement, answer, seen) of what a cluster can be asked."""
    found = []
    for line in _TABLE.read_text().splitlines()[1:]:
        address, policy, source, *cells, seen = line.split()
        asked = source in ("pod", "other-pod") or (source, address) == ("outside", "nodeport")
        if asked and address != "external":
            found += [
                (address, policy, source, placement, cell, seen)
                for placement, cell in zip(_PLACEMENTS, cells, strict=False)
            ]
    return found


CASES = _cases()


def _pod(name: str, node: int, labels: dict[str, str]) -> dict[str, Any]:
    container = {
        "name": "netexec",
        "image": "registry.k8s.io/e2e-test-images/agnhost:2.53",
        "args": ["netexec"],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"nodeName": f"node-{node}", "containers": [container]},
    }


def _name(policy: str, placement: str) -> str:
    return f"{policy}-{placement}".lower()


def _service(policy: str, placement: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": _name(policy, placement)},
        "spec": {
            "type": "LoadBalancer",
            "loadBalancerClass": "podwire.test/by-hand",
            "selector": _SELECTED[placement],
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            "internalTrafficPolicy": policy,
            "externalTrafficPolicy": policy,
        },
    }


_WANTED = [(policy, placement) for policy in ("Cluster", "Local") for placement in _PLACEMENTS]


@dataclass(frozen=True)
class Field:
    """A cluster with the table's pods and Services, and what was asked of its API once."""

    lab: Lab
    specs: dict[str, Any]  # Of Services, by name.
    client: str  # The address of the client on node-1.


@pytest.fixture(scope="module")
def field(lab: Lab) -> Field:
    """Two clients, an endpoint on each of two nodes, a Service for each policy and placement."""
    manifests = [
        _pod("client", 1, {"app": "client"}),
        _pod("other", 2, {"app": "client"}),
        _pod("left", 1, {"app": "end", "at": "L"}),
        _pod("right", 2, {"app": "end", "at": "R"}),
        *(_service(*each) for each in _WANTED),
    ]
    lab.apply("\n".join(map(json.dumps, manifests)))
    asyncio.run(_give_addresses(lab))
    lab.kubectl("wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s")
    for node in ("node-1", "node-2"):
        lab.eventually(lambda node=node: _is_programmed(lab, node))
    specs = {each["metadata"]["name"]: each["spec"] for each in lab.objects("services")}
    return Field(lab, specs, Pod(lab, "client").address)


async def _give_addresses(lab: Lab) -> None:
    """Do as a balancer's controller does."""
    client = RestClient.from_kubeconfig(lab.paths.kubeconfig, user_agent="test")
    try:
        for number, each in enumerate(_WANTED):
            ingress = [{"ip": f"203.0.113.{number + 1}"}]
            status = {"status": {"loadBalancer": {"ingress": ingress}}}
            await client.patch(SERVICES, _name(*each), status, "default", subresource="status")
    finally:
        await client.close()


def _is_programmed(lab: Lab, node: str) -> bool:
    rows = json.loads(lab.podwire(f"services {node}", "-o", "json"))
    found = {row["address"]: row for row in rows if row["address"].startswith("203.0.113.")}
    return len(found) == len(_WANTED) and all(
        len(found[f"203.0.113.{number + 1}"]["backends"])
        == placement.count("L") + placement.count("R")
        for number, (_, placement) in enumerate(_WANTED)
    )


def _place(field: Field, address: str, policy: str, placement: str) -> tuple[str, int]:
    """Return where the Service is reached."""
    spec = field.specs[_name(policy, placement)]
    if address == "nodeport":
        return _NODE, spec["ports"][0]["nodePort"]
    if address == "balancer":
        return f"203.0.113.{_WANTED.index((policy, placement)) + 1}", 80
    return spec["clusterIP"], 80


def _ask_from_pod(pod: Pod, host: str, port: int, cell: str) -> tuple[set[str], set[str]]:
    if cell in ("refused", "dropped"):
        done = pod.run("/agnhost", "connect", "--timeout=1s", f"{host}:{port}")
        said = done.output + done.complaints
        word = "refused" if "REFUSED" in said else "dropped" if "TIMEOUT" in said else said
        return {word}, set()
    tries = _TRIES if cell == "LR" else 2
    names = pod.dial(host, port, request="hostname", tries=tries)["responses"]
    seen = pod.dial(host, port, request="clientip", tries=tries)["responses"]
    return {_NAMES[each] for each in names}, {each.rpartition(":")[0] for each in seen}


def _ask_from_here(lab: Lab, port: int, cell: str) -> tuple[set[str], set[str]]:
    """Ask as this machine does: the world outside."""
    try:
        names = {lab.fetch(1, port, "/hostname", timeout_s=1) for _ in range(_TRIES)}
        seen = {lab.fetch(1, port, "/clientip", timeout_s=1) for _ in range(2)}
    except urllib.error.URLError:
        return {"refused"}, set()
    except TimeoutError:
        return {"dropped"}, set()
    except ConnectionError:
        return {"refused"}, set()  # The handshake was the gateway's; see docs/parity.md.
    return {_NAMES[each] for each in names}, {each.rpartition(":")[0] for each in seen}


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_cell(field: Field, case: tuple[str, ...]) -> None:
    address, policy, source, placement, cell, seen = case
    host, port = _place(field, address, policy, placement)
    if source == "outside":
        answers, addresses = _ask_from_here(field.lab, port, cell)
    else:
        pod = Pod(field.lab, "client" if source == "pod" else "other")
        answers, addresses = _ask_from_pod(pod, host, port, cell)
    if cell in ("refused", "dropped"):
        assert answers == {cell}
        return
    assert answers == set(cell)
    if seen == "source":
        own = "192.168.64.254" if source == "outside" else field.client
        assert addresses == {own}
    elif seen == "other-node":
        assert addresses == {"192.168.64.2"}
    else:
        assert addresses <= {_NODE, "10.244.0.0", "10.244.0.1", "10.244.1.0", "10.244.1.1"}


def _health(address: str, port: int) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://{address}:{port}/healthz", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize(
    ("placement", "node", "status"), [("L", 1, 200), ("L", 2, 503), ("R", 2, 200)]
)
def test_health_checks_tell_which_node_has_endpoints(
    field: Field, placement: str, node: int, status: int
) -> None:
    port = field.specs[_name("Local", placement)]["healthCheckNodePort"]
    code, body = _health(field.lab.cluster.transport_address(node), port)
    assert (code, body["localEndpoints"]) == (status, int(status == 200))
    assert body["service"] == {"namespace": "default", "name": _name("Local", placement)}
    inside = Pod(field.lab, "client").run(
        "/agnhost", "connect", "--timeout=2s", f"192.168.64.{node}:{port}"
    )
    assert inside.status == 0, inside
