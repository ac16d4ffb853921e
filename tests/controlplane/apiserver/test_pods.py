"""What only pods have: binding, graceful deletion, eviction, logs from a kubelet."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import threading
from collections.abc import Iterator

import pytest
from aiohttp import web

CORE = "/api/v1/namespaces"
STRATEGIC = "application/strategic-merge-patch+json"


def pod(name: str, node: str = "", **spec: object) -> dict:
    spec = {"containers": [{"name": "c", "image": "nginx"}], **spec}
    if node:
        spec["nodeName"] = node
    return {"metadata": {"name": name}, "spec": spec}


@pytest.fixture
def pods(namespace: str) -> str:
    return f"{CORE}/{namespace}/pods"


def bind(server, pods: str, name: str, node: str):
    body = {"apiVersion": "v1", "kind": "Binding", "target": {"kind": "Node", "name": node}}
    return server.request("POST", f"{pods}/{name}/binding", body)


def test_binding_assigns_once(server, pods):
    server.request("POST", pods, pod("p"))
    assert bind(server, pods, "p", "n1").code == 201
    bound = server.request("GET", f"{pods}/p").json
    assert bound["spec"]["nodeName"] == "n1"
    scheduled = [c for c in bound["status"]["conditions"] if c["type"] == "PodScheduled"]
    assert [c["status"] for c in scheduled] == ["True"]
    again = bind(server, pods, "p", "n2")
    assert again.code == 409
    assert 'pod p is already assigned to node "n1"' in again.json["message"]
    assert bind(server, pods, "missing", "n1").code == 404
    assert server.request("POST", f"{pods}/p/binding", {"target": 1}).code == 400


def test_ephemeral_containers_are_added_by_their_subresource(server, pods):
    server.request("POST", pods, pod("p", "n1"))
    path, headers = f"{pods}/p/ephemeralcontainers", {"Content-Type": STRATEGIC}
    for name in ("one", "two"):
        patch = {"spec": {"ephemeralContainers": [{"name": name, "image": "busybox"}]}}
        assert server.request("PATCH", path, patch, headers=headers).code == 200
    found = server.request("GET", path).json
    added = found["spec"]["ephemeralContainers"]
    assert [each["name"] for each in added] == ["two", "one"], "upstream puts the patch's first"
    found["spec"]["ephemeralContainers"] = added[:1]
    refused = server.request("PUT", path, found)
    assert refused.code == 422
    assert 'existing ephemeral containers "one" may not be removed' in refused.json["message"]
    assert server.request("DELETE", path).code == 405


def test_unscheduled_pods_die_at_once(server, pods):
    server.request("POST", pods, pod("p"))
    reply = server.request("DELETE", f"{pods}/p")
    assert (reply.code, reply.json["kind"]) == (200, "Pod")
    assert server.request("GET", f"{pods}/p").code == 404


def test_scheduled_pods_die_gracefully(server, pods):
    server.request("POST", pods, pod("p", "n1", terminationGracePeriodSeconds=7))
    dying = server.request("DELETE", f"{pods}/p").json["metadata"]
    assert dying["deletionGracePeriodSeconds"] == 7
    assert dying["deletionTimestamp"] > dying["creationTimestamp"]
    later = server.request("DELETE", f"{pods}/p", {"gracePeriodSeconds": 60}).json["metadata"]
    assert later == dying
    sooner = server.request("DELETE", f"{pods}/p", {"gracePeriodSeconds": 2}).json["metadata"]
    assert sooner["deletionGracePeriodSeconds"] == 2
    assert server.request("DELETE", f"{pods}/p?gracePeriodSeconds=0").code == 200
    assert server.request("GET", f"{pods}/p").code == 404


def test_a_dying_pod_cannot_be_bound(server, pods):
    body = pod("p")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    server.request("POST", pods, body)
    server.request("DELETE", f"{pods}/p")
    reply = bind(server, pods, "p", "n1")
    assert "is being deleted, cannot be assigned to a host" in reply.json["message"]


def test_eviction_deletes(server, pods):
    server.request("POST", pods, pod("p"))
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    assert server.request("POST", f"{pods}/p/eviction", body).code == 201
    assert server.request("GET", f"{pods}/p").code == 404


def test_an_evicted_pod_says_why_it_ends(server, pods):
    server.request("POST", pods, pod("p", "n1"))
    ask = {"metadata": {"name": "p"}, "deleteOptions": {"preconditions": {"uid": "another"}}}
    assert server.request("POST", f"{pods}/p/eviction", ask).code == 409
    assert "DisruptionTarget" not in server.request("GET", f"{pods}/p").body.decode()
    assert server.request("POST", f"{pods}/p/eviction", {"metadata": {"name": "p"}}).code == 201
    held = server.request("GET", f"{pods}/p").json
    assert held["metadata"]["deletionTimestamp"]
    [mark] = [c for c in held["status"]["conditions"] if c["type"] == "DisruptionTarget"]
    assert (mark["status"], mark["reason"]) == ("True", "EvictionByEvictionAPI")


def test_an_eviction_of_another_name_or_dry_changes_nothing(server, pods):
    server.request("POST", pods, pod("p", "n1"))
    before = server.request("GET", f"{pods}/p").json
    other = server.request("POST", f"{pods}/p/eviction", {"metadata": {"name": "q"}})
    assert (other.code, "does not match name in Eviction" in other.json["message"]) == (400, True)
    dry = {"metadata": {"name": "p"}, "deleteOptions": {"dryRun": ["All"]}}
    assert server.request("POST", f"{pods}/p/eviction", dry).code == 201
    assert server.request("GET", f"{pods}/p").json == before


MERGE = {"Content-Type": "application/merge-patch+json"}
BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "b"},
    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
}


def evict(server, pods, name, **options):
    body = {"metadata": {"name": name}, "deleteOptions": options}
    return server.request("POST", f"{pods}/{name}/eviction", body)


@pytest.fixture
def guarded(server, pods, namespace):
    """Two Ready pods, and how to write what the disruption controller would say of them."""
    for name in ("p", "q"):
        one = pod(name, "n1")
        one["metadata"]["labels"] = {"app": "web"}
        server.request("POST", pods, one)
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        server.request("PATCH", f"{pods}/{name}/status", {"status": ready}, headers=MERGE)
    budgets = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    assert server.request("POST", budgets, BUDGET).code == 201

    def judge(**status):
        body = {"status": {"observedGeneration": 1, **status}}
        return server.request("PATCH", f"{budgets}/b/status", body, headers=MERGE).json

    return judge


def test_a_budget_nobody_has_judged_asks_to_come_again(server, pods, guarded):
    reply = evict(server, pods, "p")
    assert (reply.code, reply.headers["Retry-After"]) == (429, "10")
    [cause] = reply.json["details"]["causes"]
    assert cause["message"] == "The disruption budget b is still being processed by the server."


def test_one_unit_of_a_budget_is_spent_once(server, pods, guarded):
    guarded(disruptionsAllowed=1, currentHealthy=2, desiredHealthy=1)
    assert evict(server, pods, "p", dryRun=["All"]).code == 201
    assert evict(server, pods, "p").code == 201
    refused = evict(server, pods, "q")
    assert refused.code == 429
    assert refused.json["message"] == (
        "Cannot evict pod as it would violate the pod's disruption budget."
    )
    assert evict(server, pods, "q", dryRun=["All"]).code == 429
    assert "deletionTimestamp" not in server.request("GET", f"{pods}/q").json["metadata"]
    status = guarded()["status"]
    assert (status["disruptionsAllowed"], list(status["disruptedPods"])) == (0, ["p"])
    assert evict(server, pods, "p").code == 201  # It goes already: nothing is left to ask.


def test_an_unhealthy_pod_goes_where_the_others_suffice(server, pods, guarded):
    guarded(disruptionsAllowed=0, currentHealthy=1, desiredHealthy=1)
    sick = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    server.request("PATCH", f"{pods}/p/status", sick, headers=MERGE)
    assert evict(server, pods, "q").code == 429
    assert evict(server, pods, "p").code == 201
    assert "disruptedPods" not in guarded()["status"]


def test_an_eviction_of_another_version_is_a_conflict(server, pods, guarded):
    guarded(disruptionsAllowed=2, currentHealthy=2, desiredHealthy=0)
    old = evict(server, pods, "p", preconditions={"resourceVersion": "1"})
    assert old.code == 409
    assert "the ResourceVersion in the precondition" in old.json["message"]
    held = server.request("GET", f"{pods}/p").json["metadata"]
    assert "deletionTimestamp" not in held
    now = {"resourceVersion": held["resourceVersion"], "uid": held["uid"]}
    assert evict(server, pods, "p", preconditions=now).code == 201


def test_a_pod_with_two_budgets_is_not_evicted(server, pods, guarded, namespace):
    second = {**BUDGET, "metadata": {"name": "c"}}
    budgets = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    server.request("POST", budgets, second)
    reply = evict(server, pods, "p")
    assert (reply.code, "more than one" in reply.json["message"]) == (500, True)


def test_pods_by_node(server, pods):
    server.request("POST", pods, pod("p1", "n1"))
    server.request("POST", pods, pod("p2", "n2"))
    server.request("POST", pods, pod("p3"))
    for query, found in (("%3Dn2", ["p2"]), ("!%3Dn2", ["p1", "p3"]), ("%3D", ["p3"])):
        answer = server.request("GET", f"{pods}?fieldSelector=spec.nodeName{query}").json
        assert [item["metadata"]["name"] for item in answer["items"]] == found


class Kubelet:
    """A kubelet's log endpoint on a thread of its own."""

    def __init__(self, authority) -> None:
        self._authority = authority
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.asked: list[tuple[str, dict[str, str], str]] = []
        self.asked_from: list[str] = []
        self.go_on: asyncio.Event
        self.port = 0

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(10)

    def stop(self) -> None:
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())

    async def _serve(self) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self._authority.file)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(*self._authority.issue("system:node:n1", ["system:nodes"]))
        self.go_on = asyncio.Event()
        self._runner = web.ServerRunner(web.Server(self._answer))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        subject = request.transport.get_extra_info("peercert")["subject"]
        self.asked_from.append(request.transport.get_extra_info("peername")[0])
        self.asked.append(
            (request.path, dict(request.query), dict(x[0] for x in subject)["commonName"])
        )
        response: web.StreamResponse = web.StreamResponse()
        if request.path.endswith("/missing"):
            response = web.Response(status=404, text="no such container")
            response.force_close()
            return response
        response.force_close()
        await response.prepare(request)
        await response.write(b"one\n")
        if "follow" in request.query:
            await self.go_on.wait()
        await response.write(b"two\n")
        return response


@pytest.fixture
def kubelet(authority) -> Iterator[Kubelet]:
    made = Kubelet(authority)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def logged_node(kubelet):
    """Makes node n1, whose kubelet that is, at a server."""

    def make(server) -> None:
        node = {
            "metadata": {"name": "n1"},
            "status": {
                "addresses": [{"type": "InternalIP", "address": "192.168.64.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port}},
            },
        }
        assert server.request("POST", "/api/v1/nodes", node).code == 201
        assert server.request("PUT", "/api/v1/nodes/n1/status", node).code == 200

    return make


@pytest.fixture
def logged(stopped_server, logged_node):
    """A server that reaches node n1's kubelet under its emulated address."""
    stopped_server.transport_map = {"192.168.64.0/24": "127.0.0.0/24"}
    stopped_server.start()
    logged_node(stopped_server)
    return stopped_server


def test_logs_come_from_the_kubelet(logged, kubelet):
    pods = f"{CORE}/default/pods"
    logged.request("POST", pods, pod("p", "n1"))
    reply = logged.request("GET", f"{pods}/p/log?tailLines=5&timestamps=true&follow=false")
    assert (reply.code, reply.body) == (200, b"one\ntwo\n")
    assert reply.headers["Content-Type"] == "text/plain"
    assert kubelet.asked == [
        (
            "/containerLogs/default/p/c",
            {"tailLines": "5", "timestamps": "true"},
            "system:kube-apiserver",
        )
    ]


def test_with_a_fabric_kubelets_are_dialled_there_from_the_own_address(
    stopped_server, kubelet, logged_node
):
    path = stopped_server.config()
    fields = {
        "transport_map": {"192.168.64.0/24": "127.9.9.0/24"},
        "fabric_map": {"192.168.64.0/24": "127.0.0.0/24"},
        "dial_source": "127.0.0.251",
    }
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    stopped_server.config = lambda: path
    stopped_server.start()
    logged_node(stopped_server)
    stopped_server.request("POST", f"{CORE}/default/pods", pod("p", "n1"))
    assert stopped_server.request("GET", f"{CORE}/default/pods/p/log").body == b"one\ntwo\n"
    assert kubelet.asked_from == ["127.0.0.251"]


def test_logs_follow(logged, kubelet):
    pods = f"{CORE}/default/pods"
    logged.request("POST", pods, pod("p", "n1"))
    connection = http.client.HTTPSConnection("127.0.0.1", logged.port, context=logged.tls())
    connection.request("GET", f"{pods}/p/log?follow=true")
    response = connection.getresponse()
    assert response.readline() == b"one\n"
    kubelet._loop.call_soon_threadsafe(kubelet.go_on.set)
    assert response.readline() == b"two\n"
    response.close()
    connection.close()


def test_logs_that_are_not_to_be_had(logged, kubelet):
    pods = f"{CORE}/default/pods"
    two = [{"name": "c", "image": "i"}, {"name": "missing", "image": "i"}]
    logged.request("POST", pods, pod("two", "n1", containers=two))
    logged.request("POST", pods, pod("unscheduled"))
    logged.request("POST", pods, pod("lost", "n2"))
    for path, code, part in (
        (
            "two/log",
            400,
            "a container name must be specified for pod two, choose one of: [c missing]",
        ),
        ("two/log?container=x", 400, "container x is not valid for pod two"),
        ("two/log?container=c&tailLines=x", 400, "tailLines"),
        ("two/log?container=c&sinceTime=x", 400, "sinceTime"),
        ("two/log?container=c&tailLines=-1", 422, "must be greater than or equal to 0"),
        ("two/log?container=c&limitBytes=0", 422, "must be greater than 0"),
        ("two/log?container=c&stream=Stdout", 422, "stream: Forbidden: may not be specified"),
        (
            "two/log?container=c&sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
            422,
            "at most one of `sinceTime` or `sinceSeconds`",
        ),
        ("two/log?container=missing", 404, "no such container"),
        ("unscheduled/log", 400, "does not have a host assigned"),
        ("lost/log", 404, 'nodes "n2" not found'),
        ("nobody/log", 404, 'pods "nobody" not found'),
    ):
        reply = logged.request("GET", f"{pods}/{path}")
        assert reply.code == code, (path, reply.body)
        assert part in reply.json["message"]
    kubelet.stop()
    reply = logged.request("GET", f"{pods}/two/log?container=c")
    assert reply.code == 500
    assert "the kubelet of nodes n1 does not answer" in reply.json["message"]


def test_every_404_has_details(server, pods):
    server.request("POST", pods, pod("p"))
    assert server.request("PATCH", f"{pods}/p/resize", {}).json["details"] == {}
