"""custom.metrics.k8s.io and external.metrics.k8s.io over a real API server and a page of a node."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from componentbase.clock import monotonic, wall

CUSTOM = "/apis/custom.metrics.k8s.io/v1beta2"
EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1"
OF_PODS = f"{CUSTOM}/namespaces/default/pods"


class Kubelet:
    """A node whose pods web-1 and web-2 answer 10 and 30 requests each second."""

    def __init__(self, authority) -> None:
        self.asked: list[str] = []
        self.is_well = True
        began, outer = wall(), self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                body = page(began, wall()).encode()
                self.send_response(200 if outer.is_well else 500)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                return

        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*authority.issue("system:node:n1", ["system:nodes"]))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def page(began: float, now: float) -> str:
    ms = round(now * 1000)
    lines = []
    for pod, rate in (("web-1", 10), ("web-2", 30)):
        whose = f'namespace="default",pod="{pod}"'
        count = rate * (ms / 1000 - began)
        lines.append(f'http_requests_total{{code="200",{whose}}} {count} {ms}')
        lines.append(f"queue_depth{{{whose}}} {rate / 4} {ms}")
    told = 'exported_namespace="default",ingress="main",namespace="kube-system",pod="edge"'
    lines.append(f"ingress_connections{{{told}}} 12 {ms}")
    for queue, waiting in (("a", 30), ("b", 12)):
        said = f'namespace="default",pod="exporter",queue="{queue}"'
        lines.append(f"messages_ready{{{said}}} {waiting} {ms}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def kubelet(authority) -> Iterator[Kubelet]:
    made = Kubelet(authority)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def measured(server, kubelet):
    """The server with a node, its pods, a Service before them and an Ingress."""
    node = {
        "metadata": {"name": "n1"},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port}},
        },
    }
    made(server.request("POST", "/api/v1/nodes", node))
    made(server.request("PUT", "/api/v1/nodes/n1/status", node))
    v1 = "/api/v1/namespaces/default"
    for name, tier in (("web-1", "front"), ("web-2", "front"), ("silent", "back")):
        spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}
        pod = {"metadata": {"name": name, "labels": {"tier": tier}}, "spec": spec}
        made(server.request("POST", f"{v1}/pods", pod))
    for name in ("web", "idle"):
        service = {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}
        made(server.request("POST", f"{v1}/services", service))
    targets = [{"kind": "Pod", "name": name} for name in ("web-1", "web-2")]
    slices = {
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [f"10.244.0.{n}"], "targetRef": target}
            for n, target in enumerate(targets, 2)
        ],
    }
    made(server.request("POST", f"/apis/discovery.k8s.io/v1{v1[7:]}/endpointslices", slices))
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    ingress = {"metadata": {"name": "main"}, "spec": {"defaultBackend": backend}}
    made(server.request("POST", f"/apis/networking.k8s.io/v1{v1[7:]}/ingresses", ingress))
    return server


def made(reply) -> None:
    assert reply.code in (200, 201), reply.body


def items(server, path: str) -> list[dict]:
    reply = server.request("GET", path)
    assert reply.code == 200, reply.body
    found: list[dict] = reply.json["items"]
    return found


def values(server, path: str) -> dict[str, str]:
    return {each["describedObject"]["name"]: each["value"] for each in items(server, path)}


def number(text: str) -> float:
    return float(text.removesuffix("m")) / (1000 if text.endswith("m") else 1)


def test_nobody_is_asked_before_somebody_wants_to_know(server, kubelet):
    found = server.request("GET", CUSTOM).json
    assert (found["groupVersion"], found["resources"]) == ("custom.metrics.k8s.io/v1beta2", [])
    assert kubelet.asked == []


def test_discovery_knows_both_groups(server):
    groups = {each["name"]: each for each in server.request("GET", "/apis").json["groups"]}
    versions = [each["version"] for each in groups["custom.metrics.k8s.io"]["versions"]]
    assert versions == ["v1beta2", "v1beta1"]
    assert groups["external.metrics.k8s.io"]["preferredVersion"]["version"] == "v1beta1"
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    shown = server.request("GET", "/apis", headers={"Accept": aggregated}).json["items"]
    assert {"custom.metrics.k8s.io", "external.metrics.k8s.io"} <= {
        each["metadata"]["name"] for each in shown
    }


def test_pods_have_a_rate(measured):
    found = items(measured, f"{OF_PODS}/*/http_requests_per_second?labelSelector=tier%3Dfront")
    assert {each["describedObject"]["name"]: round(number(each["value"])) for each in found} == {
        "web-1": 10,
        "web-2": 30,
    }
    first = found[0]
    assert first["describedObject"] == {
        "kind": "Pod",
        "namespace": "default",
        "name": "web-1",
        "apiVersion": "v1",
    }
    assert first["metric"] == {"name": "http_requests_per_second", "selector": None}
    assert first["windowSeconds"] >= 1
    assert first["timestamp"].endswith("Z")
    listed = [each["name"] for each in measured.request("GET", CUSTOM).json["resources"]]
    assert "pods/http_requests_per_second" in listed
    assert "pods/queue_depth" in listed


def test_one_pod_and_the_older_version(measured):
    assert values(measured, f"{OF_PODS}/web-2/queue_depth") == {"web-2": "7500m"}
    (found,) = items(measured, f"{OF_PODS}/web-2/queue_depth".replace("v1beta2", "v1beta1"))
    assert (found["metricName"], "metric" in found) == ("queue_depth", False)


@pytest.mark.parametrize(
    ("whose", "found"),
    [
        ("services/web/queue_depth", {"web": "10"}),
        ("services/*/queue_depth", {"web": "10"}),
        ("metrics/queue_depth", {"default": "10"}),
        ("ingresses.networking.k8s.io/main/ingress_connections", {"main": "12"}),
        ("pods/*/queue_depth?labelSelector=tier%3Dback", {}),
        ("pods/*/http_requests?metricLabelSelector=code%3D500", {}),
    ],
)
def test_objects_have_what_is_said_of_them(measured, whose, found):
    assert values(measured, f"{CUSTOM}/namespaces/default/{whose}") == found


def test_external_metrics_are_series_by_their_labels(measured):
    path = f"{EXTERNAL}/namespaces/default/messages_ready"
    assert [each["value"] for each in items(measured, path)] == ["30", "12"]
    (found,) = items(measured, f"{path}?labelSelector=queue%3Db")
    assert found["metricName"] == "messages_ready"
    assert found["metricLabels"] == {"queue": "b"}
    assert found["value"] == "12"
    assert items(measured, path.replace("default", "kube-system")) == []


@pytest.mark.parametrize(
    ("method", "path", "code", "message"),
    [
        ("GET", f"{OF_PODS}/*/nothing", 404, "could not find the metric nothing for pods"),
        ("GET", f"{OF_PODS}/silent/queue_depth", 404, "metric queue_depth for pods silent"),
        ("GET", f"{OF_PODS}/nobody/queue_depth", 404, "metric queue_depth for pods nobody"),
        ("GET", f"{EXTERNAL}/namespaces/default/nothing", 404, "metric nothing for external"),
        ("GET", f"{CUSTOM}/namespaces/default/unicorns/x/queue_depth", 404, ""),
        ("GET", f"{OF_PODS}/web-1", 404, ""),
        ("GET", f"{OF_PODS}/web-1/queue_depth/more", 404, ""),
        ("GET", f"{CUSTOM}/pods/web-1/queue_depth", 404, ""),
        ("GET", f"{EXTERNAL}/messages_ready", 404, ""),
        ("GET", "/apis/custom.metrics.k8s.io/v9/namespaces/default/pods/web-1/x", 404, ""),
        ("GET", f"{OF_PODS}/*/queue_depth?labelSelector=!!", 400, ""),
        ("DELETE", f"{OF_PODS}/web-1/queue_depth", 405, ""),
        ("POST", f"{EXTERNAL}/namespaces/default/messages_ready", 405, ""),
    ],
)
def test_what_cannot_be_answered_is_a_status(measured, method, path, code, message):
    reply = measured.request(method, path, {} if method == "POST" else None)
    assert reply.code == code, reply.body
    assert reply.json["kind"] == "Status"
    assert message in reply.json["message"]


def test_who_may_not_ask_is_refused(measured):
    reply = measured.request("GET", f"{OF_PODS}/*/queue_depth", user="nobody")
    assert reply.code == 403
    assert (
        'resource "pods/queue_depth" in API group "custom.metrics.k8s.io"'
        in (reply.json["message"])
    )


def test_of_a_node_that_does_not_answer_nothing_is_told(measured, kubelet):
    path = f"{OF_PODS}/web-2/queue_depth"
    kubelet.is_well = False
    deadline = monotonic() + 20
    while measured.request("GET", path).code == 200:
        assert monotonic() < deadline, "what it said last is told for ever"
    kubelet.is_well = True
    while measured.request("GET", path).code == 404:
        assert monotonic() < deadline, "it answers again"
