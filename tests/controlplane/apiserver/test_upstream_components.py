"""What kube-controller-manager and kube-scheduler ask of an API server.

The real ones run where PODWIRE_TEST_KUBE_CONTROLLER_MANAGER and PODWIRE_TEST_KUBE_SCHEDULER name
their programs (1.32). What they ask is replayed in any case: discovery again and again, every kind
watched with sendInitialEvents in the forms of typed and of metadata informers, leases that are
created once and renewed with their resourceVersion, roles applied server-side.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from .conftest import RunningServer

DISCOVERY = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
TYPED = "application/vnd.kubernetes.protobuf,application/json"
METADATA = (
    "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,"
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
)
WATCH_LIST = (
    "allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&sendInitialEvents=true"
    "&timeoutSeconds=300&watch=true"
)
BOUND_S = 60.0


def discovered(server: RunningServer) -> list[str]:
    """Return the paths of all collections that can be watched."""
    paths = []
    for root in ("/api", "/apis"):
        reply = server.request("GET", root, headers={"Accept": DISCOVERY})
        assert "as=APIGroupDiscoveryList" in reply.headers["Content-Type"]
        for group in reply.json["items"]:
            for version in group["versions"]:
                base = "/".join(filter(None, (root, group["metadata"].get("name"))))
                paths += [
                    f"{base}/{version['version']}/{resource['resource']}"
                    for resource in version["resources"]
                    if "watch" in resource["verbs"]
                ]
    return paths


def test_discovery_again_and_again_costs_nothing_anew(server):
    for root in ("/api", "/apis", "/openapi/v3"):
        first = server.request("GET", root, headers={"Accept": DISCOVERY})
        for _ in range(10):
            headers = {"Accept": DISCOVERY, "If-None-Match": first.headers["ETag"]}
            again = server.request("GET", root, headers=headers)
            assert (again.code, again.body) == (304, b"")


@asynccontextmanager
async def clients(server: RunningServer) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=server.tls(), limit=0)
    async with aiohttp.ClientSession(server.url, connector=connector) as session:
        yield session


async def synced(session: aiohttp.ClientSession, path: str, accept: str) -> list[Any]:
    """Watch as a reflector does until the initial events have ended; return them."""
    async with session.get(f"{path}?{WATCH_LIST}", headers={"Accept": accept}) as answer:
        assert answer.status == 200, (path, await answer.text())
        assert answer.content_type == "application/json"
        objects = []
        async for line in answer.content:
            event = json.loads(line)
            if event["type"] == "BOOKMARK":
                annotations = event["object"]["metadata"]["annotations"]
                assert annotations["k8s.io/initial-events-end"] == "true", path
                return objects
            objects.append(event["object"])
    raise AssertionError(f"{path}: the watch ended before its initial events")


@pytest.mark.asyncio
async def test_every_kind_is_watched_at_once_by_both_sorts_of_informers(server):
    paths = discovered(server)
    assert len(paths) >= 25
    async with clients(server) as session, asyncio.timeout(BOUND_S):
        found = await asyncio.gather(
            *(synced(session, path, accept) for path in paths for accept in (TYPED, METADATA))
        )
    by_form = dict(zip([(p, a) for p in paths for a in (TYPED, METADATA)], found, strict=True))
    typed = by_form["/api/v1/namespaces", TYPED]
    partial = by_form["/api/v1/namespaces", METADATA]
    assert {each["kind"] for each in typed} == {"Namespace"}
    assert {each["kind"] for each in partial} == {"PartialObjectMetadata"}
    names = [[each["metadata"]["name"] for each in form] for form in (typed, partial)]
    assert "kube-system" in names[0]
    assert names[0] == names[1]


def test_a_lease_is_taken_once_and_renewed_by_its_version(server):
    path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
    spec = {"holderIdentity": "one", "leaseDurationSeconds": 15, "leaseTransitions": 0}
    body = {"metadata": {"name": "kube-controller-manager"}, "spec": spec}
    held = server.request("POST", path, body)
    assert held.code == 201
    assert server.request("POST", path, body).code == 409
    renewed = held.json
    for _ in range(3):
        renewed["spec"]["renewTime"] = "2026-01-01T00:00:00.000000Z"
        reply = server.request("PUT", f"{path}/kube-controller-manager", renewed)
        assert reply.code == 200
        renewed = reply.json
    other = {**held.json, "spec": {**spec, "holderIdentity": "two"}}
    assert server.request("PUT", f"{path}/kube-controller-manager", other).code == 409


def test_roles_are_applied_by_two_managers(server):
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/replayed"
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "replayed", "labels": {"rbac.example.com/aggregate": "true"}},
        "rules": [rule],
    }
    headers = {"Content-Type": "application/apply-patch+yaml"}

    def apply(manager: str, force: bool, body: dict) -> Any:
        query = f"?fieldManager={manager}&force={str(force).lower()}"
        return server.request("PATCH", path + query, body, headers=headers)

    assert apply("clusterrole-aggregation-controller", True, role).code == 201
    assert apply("clusterrole-aggregation-controller", True, role).code == 200
    other = {**role, "rules": [{**rule, "verbs": ["watch"]}]}
    assert apply("other", False, other).code == 409
    assert apply("other", True, other).json["rules"][0]["verbs"] == ["watch"]


@contextmanager
def component(server: RunningServer, variable: str, *flags: str) -> Iterator[None]:
    """Run a program of upstream's against *server*; skip where there is none."""
    program = os.environ.get(variable)
    if not program:
        pytest.skip(f"{variable} names no program")
    kubeconfig = str(server.kubeconfig())
    log = Path(server.directory) / f"{Path(program).name}.log"
    command = [program, "--kubeconfig", kubeconfig, "--leader-elect=true", *flags]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{error}\n{log.read_text()[-4000:]}") from None
    finally:
        process.kill()
        process.wait()


def eventually(holds: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + BOUND_S
    while not holds():
        assert time.monotonic() < ends, what
        time.sleep(0.1)


DEPLOYMENT = {
    "metadata": {"name": "d"},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "d"}},
        "template": {
            "metadata": {"labels": {"app": "d"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        },
    },
}


def test_the_real_controller_manager_makes_pods(server, namespace):
    with component(
        server, "PODWIRE_TEST_KUBE_CONTROLLER_MANAGER", "--secure-port=0", "--allocate-node-cidrs=0"
    ):
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        assert server.request("POST", path, DEPLOYMENT).code == 201
        pods = f"/api/v1/namespaces/{namespace}/pods"
        eventually(lambda: len(server.request("GET", pods).json["items"]) == 3, "no pods came")
        seen = f"{path}/d"
        eventually(
            lambda: server.request("GET", seen).json["status"].get("observedGeneration") == 1,
            "the deployment's status was not written",
        )


def test_the_real_scheduler_binds_pods(server, namespace):
    node = {"metadata": {"name": "scheduled-to"}}
    assert server.request("POST", "/api/v1/nodes", node).code == 201
    room = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    status = {"capacity": room, "allocatable": room, "conditions": [ready]}
    headers = {"Content-Type": "application/merge-patch+json"}
    one = "/api/v1/nodes/scheduled-to"
    server.request("PATCH", f"{one}/status", {"status": status}, headers=headers)
    server.request("PATCH", one, {"spec": {"taints": None}}, headers=headers)
    with component(server, "PODWIRE_TEST_KUBE_SCHEDULER", "--secure-port=0"):
        pods = f"/api/v1/namespaces/{namespace}/pods"
        body = {"metadata": {"name": "p"}, "spec": DEPLOYMENT["spec"]["template"]["spec"]}
        assert server.request("POST", pods, body).code == 201
        eventually(
            lambda: "nodeName" in server.request("GET", f"{pods}/p").json["spec"],
            "nothing was bound",
        )
