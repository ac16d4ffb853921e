"""The HTTP shell: who may, what is malformed, what is served besides resources."""

from __future__ import annotations

import json
import socket
import ssl
from urllib.parse import quote

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families as text_families

from controlplane.apiserver.server import BODY_MAX

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)


def test_anonymous_requests_are_refused(server):
    for path in ("/api", "/apis", "/metrics", "/openapi/v3", "/nonsense", "/readyz/ping"):
        reply = server.request("GET", path, user=None)
        assert (reply.code, reply.json["reason"]) == (403, "Forbidden"), path
        why = f'forbidden: User "system:anonymous" cannot get path "{path}"'
        assert reply.json["message"] == why
    reply = server.request("GET", CONFIGMAPS, user=None)
    assert reply.json["message"] == (
        'configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps" '
        'in API group "" in the namespace "default"'
    )


def test_health_and_version_are_public(server):
    for path in ("/healthz", "/livez", "/readyz"):
        assert server.request("GET", path, user=None).body == b"ok"
    version = server.request("GET", "/version", user=None).json
    assert (version["major"], version["minor"]) == ("1", "32")


@pytest.mark.usefixtures("wrong_certificates")
def test_a_wrong_certificate_is_401(server):
    for user in ("elsewhere", "expired"):
        for path in ("/version", CONFIGMAPS):  # Even where nothing is needed.
            reply = server.request("GET", path, user=user)
            assert (reply.code, reply.json["kind"]) == (401, "Status")
            assert reply.json["message"] == "Unauthorized"


def test_a_certificate_counts_before_a_token(server):
    headers = {"Authorization": "Bearer no"}
    reply = server.request("GET", CONFIGMAPS, user="somebody", headers=headers)
    assert (reply.code, 'User "somebody"' in reply.json["message"]) == (403, True)


def test_what_a_front_proxy_would_say_is_not_read(server):
    headers = {"X-Remote-User": "admin", "X-Remote-Group": "system:masters"}
    for user in (None, "somebody"):
        reply = server.request("GET", CONFIGMAPS, user=user, headers=headers)
        assert (reply.code, '"admin"' in reply.json["message"]) == (403, False)


def test_no_tickets_are_given_that_nobody_uses(server):
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
        server.tls().wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        secure.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in secure.recv(4096)  # Tickets would have come before it.
        assert secure.version() == "TLSv1.3"
        assert secure.session is None or not secure.session.has_ticket


def test_what_a_user_may_not_do_is_forbidden(server):
    reply = server.request("DELETE", f"{CONFIGMAPS}/a", user="somebody")
    assert reply.code == 403
    assert reply.json["message"] == (
        'configmaps "a" is forbidden: User "somebody" cannot delete resource "configmaps" '
        'in API group "" in the namespace "default"'
    )
    reply = server.request("GET", "/metrics", user="somebody")
    assert reply.json["message"] == 'forbidden: User "somebody" cannot get path "/metrics"'
    assert server.request("GET", "/api", user="somebody").code == 200


def test_a_node_writes_its_own_things_only(server):
    node = {"metadata": {"name": "node-1"}}
    me, other = "system:node:node-1", "system:node:node-2"
    assert server.request("POST", "/api/v1/nodes", node, user=other).code == 403
    assert server.request("POST", "/api/v1/nodes", node, user=me).code == 201
    assert server.request("PUT", "/api/v1/nodes/node-1/status", node, user=other).code == 403
    assert server.request("PUT", "/api/v1/nodes/node-1/status", node, user=me).code == 200
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    assert server.request("POST", leases, node, user=other).code == 403
    assert server.request("POST", leases, node, user=me).code == 201
    pods = "/api/v1/namespaces/default/pods"
    pod = {
        "metadata": {"name": "bound"},
        "spec": {"nodeName": "node-1", "containers": [{"name": "c", "image": "i"}]},
    }
    made = server.request("POST", pods, pod).json
    assert server.request("PUT", f"{pods}/bound/status", made, user=other).code == 403
    assert server.request("PUT", f"{pods}/bound/status", made, user=me).code == 200
    assert server.request("DELETE", f"{pods}/bound", user=other).code == 403
    assert server.request("DELETE", f"{pods}/bound", user=me).code == 200
    assert server.request("POST", pods, pod, user=me).code == 403


def test_unknown_paths_answer_with_a_status(server):
    for path in (
        "/nonsense",
        "/api/v2",
        "/api/v1/nonsense",
        "/apis/nonsense.example.com/v1/things",
        "/apis/apps/v2/deployments",
        f"{CONFIGMAPS}/a/nonsense",
        f"{CONFIGMAPS}/a/status/more",
        "/api/v1/namespaces/default/nodes",
        "/openapi/v3/apis/nonsense/v1",
        "/api/v1/namespaces/default/pods/p/nonsense",
    ):
        reply = server.request("GET", path)
        assert (reply.code, reply.json["kind"]) == (404, "Status"), path


def test_unknown_methods_answer_with_a_status(server):
    for method, path in (
        ("OPTIONS", CONFIGMAPS),
        ("TRACE", f"{CONFIGMAPS}/a"),
        ("POST", f"{CONFIGMAPS}/a"),
        ("PUT", CONFIGMAPS),
        ("PATCH", CONFIGMAPS),
        ("POST", "/version"),
    ):
        reply = server.request(method, path)
        assert (reply.code, reply.json["reason"]) == (405, "MethodNotAllowed"), (method, path)


def test_huge_bodies_are_refused(server):
    reply = server.request("POST", CONFIGMAPS, b"x" * (BODY_MAX + 1))
    assert (reply.code, reply.json["reason"]) == (413, "RequestEntityTooLarge")


def exchange(server, context: ssl.SSLContext, octets: bytes) -> bytes:
    """Send *octets* and return everything that comes back; nothing when TLS fails."""
    answer = b""
    try:
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
        ):
            tls.sendall(octets)
            while piece := tls.recv(65536):
                answer += piece
    except (ssl.SSLError, ConnectionError):
        pass
    return answer


def test_who_asks_before_it_sends_its_body_is_told_to(server, namespace):
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    body = json.dumps({"metadata": {"name": "expected"}}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
        server.tls().wrap_socket(plain, server_hostname="127.0.0.1") as tls,
    ):
        tls.sendall(head.encode())
        assert tls.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        tls.sendall(body)
        assert tls.recv(65536).startswith(b"HTTP/1.1 201 ")


def test_who_is_refused_is_not_told_to_send_its_body(server):
    head = f"POST {CONFIGMAPS} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {BODY_MAX + 1}\r\n\r\n"
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
        server.tls().wrap_socket(plain, server_hostname="127.0.0.1") as tls,
    ):
        tls.sendall(head.encode())
        answer = tls.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nConnection: close\r\n" in answer


def test_long_selectors_are_taken(server):
    names = ",".join(f"name-{number}" for number in range(60_000))
    query = quote(f"app in ({names})", safe=",")
    reply = server.request("GET", f"{CONFIGMAPS}?labelSelector={query}")
    assert (reply.code, len(query) > 600_000) == (200, True)


def test_huge_chunked_bodies_are_refused(server):
    head = f"POST {CONFIGMAPS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    octets = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 4 + b"0\r\n\r\n"
    assert b"413" in exchange(server, server.tls(), octets).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "octets",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Header\r\n\r\n",
        b"GET /" + b"x" * 1_100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 70_000 + b"\r\n\r\n",
        b"GET /api/v1/pods?a=%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /api/v1/namespaces/%ff/pods HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /api/v1/pods?" + b"a&" * 2000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
)
def test_malformed_http_answers_with_a_status(server, octets):
    head, _, body = exchange(server, server.tls(), octets).partition(b"\r\n\r\n")
    assert head.split()[1] in (b"400", b"431"), head
    assert json.loads(body)["kind"] == "Status"
    assert b"Traceback" not in body


def test_aggregated_discovery(server):
    core = server.request("GET", "/api", headers={"Accept": AGGREGATED})
    assert core.headers["Content-Type"] == AGGREGATED.split(",", 1)[0]
    version = core.json["items"][0]["versions"][0]
    pods = next(r for r in version["resources"] if r["resource"] == "pods")
    assert (pods["scope"], pods["shortNames"]) == ("Namespaced", ["po"])
    below = {item["subresource"]: item for item in pods["subresources"]}
    assert below["eviction"]["responseKind"]["group"] == "policy"
    assert {"binding", "ephemeralcontainers", "eviction", "log", "status"} <= set(below)
    groups = server.request("GET", "/apis", headers={"Accept": AGGREGATED}).json["items"]
    assert "apps" in [group["metadata"]["name"] for group in groups]
    again = server.request(
        "GET", "/api", headers={"Accept": AGGREGATED, "If-None-Match": core.headers["ETag"]}
    )
    assert (again.code, again.body) == (304, b"")


def test_unaggregated_discovery(server):
    assert server.request("GET", "/api").json["versions"] == ["v1"]
    groups = [group["name"] for group in server.request("GET", "/apis").json["groups"]]
    assert {"apps", "coordination.k8s.io", "discovery.k8s.io"} <= set(groups)
    assert server.request("GET", "/apis/apps").json["preferredVersion"]["version"] == "v1"
    names = [r["name"] for r in server.request("GET", "/apis/apps/v1").json["resources"]]
    assert {"deployments", "deployments/scale", "deployments/status"} <= set(names)
    eviction = next(
        r
        for r in server.request("GET", "/api/v1").json["resources"]
        if r["name"] == "pods/eviction"
    )
    assert (eviction["group"], eviction["version"]) == ("policy", "v1")


def test_discovery_is_as_upstream_has_it(server):
    core = {r["name"]: r for r in server.request("GET", "/api/v1").json["resources"]}
    assert core["pods"]["storageVersionHash"] == "xPOwRZ+Yhw8="
    assert core["configmaps"]["storageVersionHash"] == "qFsyl6wFWjQ="
    assert "storageVersionHash" not in core["bindings"]
    assert (core["endpoints"]["singularName"], core["pods"]["categories"]) == ("endpoints", ["all"])
    assert core["pods/exec"]["verbs"] == ["create", "get"]
    assert core["pods/exec"]["kind"] == "PodExecOptions"
    assert core["nodes/proxy"]["verbs"] == ["create", "delete", "get", "patch", "update"]
    assert "deletecollection" not in core["namespaces"]["verbs"]
    assert server.request("DELETE", "/api/v1/namespaces").code == 405
    names = [group["name"] for group in server.request("GET", "/apis").json["groups"]]
    assert names[:4] == ["apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io"]
    v1 = {r["name"]: r for r in server.request("GET", "/apis/autoscaling/v1").json["resources"]}
    v2 = {r["name"]: r for r in server.request("GET", "/apis/autoscaling/v2").json["resources"]}
    name = "horizontalpodautoscalers"
    assert v1[name]["storageVersionHash"] == v2[name]["storageVersionHash"] == "qwQve8ut294="


def test_a_node_reads_the_secrets_of_its_pods_only(server, namespace):
    where = f"/api/v1/namespaces/{namespace}"
    server.request("POST", f"{where}/secrets", {"metadata": {"name": "mine"}})
    server.request("POST", f"{where}/secrets", {"metadata": {"name": "theirs"}})
    source = [{"secretRef": {"name": "mine"}}]
    pod = {
        "metadata": {"name": "p"},
        "spec": {
            "nodeName": "node-5",
            "containers": [{"name": "c", "image": "nginx", "envFrom": source}],
        },
    }
    assert server.request("POST", f"{where}/pods", pod).code == 201

    def code(path, user):
        return server.request("GET", f"{where}/secrets{path}", user=user).code

    assert code("/mine", "system:node:node-5") == 200
    assert code("/theirs", "system:node:node-5") == 403
    assert code("/mine", "system:node:node-6") == 403
    assert code("", "system:node:node-5") == 403


def test_reviews_say_what_the_asker_may_do(server):
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    def may(user, **attributes):
        reply = server.request(
            "POST", path, {"spec": {"resourceAttributes": attributes}}, user=user
        )
        assert reply.code == 201
        return reply.json["status"]["allowed"]

    assert may("admin", verb="delete", resource="nodes")
    assert may("system:kube-scheduler", verb="create", resource="pods", subresource="binding")
    assert not may("system:kube-scheduler", verb="create", resource="secrets")
    assert not may("nobody", verb="list", resource="pods")
    health = {"spec": {"nonResourceAttributes": {"verb": "get", "path": "/healthz"}}}
    assert server.request("POST", path, health, user="nobody").json["status"]["allowed"]
    assert server.request("POST", path, {"spec": {}}).code == 422
    protobuf = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    assert server.request("POST", path, b"k8s\0", headers=protobuf).code == 400
    who = server.request(
        "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, user="nobody"
    ).json["status"]["userInfo"]
    assert who == {"username": "nobody", "groups": ["system:authenticated"]}


def test_openapi(server):
    index = server.request("GET", "/openapi/v3")
    url = index.json["paths"]["apis/apps/v1"]["serverRelativeURL"]
    document = server.request("GET", url)
    assert document.json["openapi"].startswith("3.0")
    patch = document.json["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"][
        "patch"
    ]
    assert "fieldValidation" in json.dumps(patch)
    tag = {"If-None-Match": document.headers["ETag"]}
    assert document.headers["ETag"] == f'"{url.partition("=")[2]}"'
    assert server.request("GET", url, headers=tag).code == 304
    tag = {"If-None-Match": index.headers["ETag"]}
    assert server.request("GET", "/openapi/v3", headers=tag).code == 304


def test_openapi_documents_are_kept_by_who_knows_their_hash(server):
    """kube-openapi, handler3: TestHandlers, TestRequestSyncWithHash."""
    url = "/openapi/v3/apis/apps/v1"
    plain = server.request("GET", url)
    assert plain.headers["Cache-Control"] == "no-cache, private"
    assert plain.headers["Vary"] == "Accept"
    moved = server.request("GET", f"{url}?hash=OLD")
    where = f"{url}?hash={plain.headers['ETag'].strip(chr(34))}"
    assert (moved.code, moved.headers["Location"]) == (301, where)
    kept = server.request("GET", where)
    assert kept.headers["Cache-Control"] == "public, immutable"
    assert kept.headers["Expires"].endswith("GMT")
    assert kept.body == plain.body
    other = server.request("GET", url, headers={"Accept": "text/html"})
    assert (other.code, other.json["reason"]) == (406, "NotAcceptable")


def test_openapi_v2(server):
    """gnostic's Document: swagger "2.0", info, paths; and JSON."""
    accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    reply = server.request("GET", "/openapi/v2", headers={"Accept": accept})
    assert reply.code == 200
    assert reply.headers["Content-Type"] == accept.replace("@", ".")  # @ is in no media type.
    assert reply.body.startswith(b"\x0a\x032.0\x12")
    as_json = server.request("GET", "/openapi/v2", headers={"Accept": "application/json, */*"})
    assert as_json.headers["Content-Type"] == "application/json"
    assert as_json.json["swagger"] == "2.0"
    tag = {"If-None-Match": as_json.headers["ETag"]}
    assert server.request("GET", "/openapi/v2", headers=tag).code == 304
    assert server.request("GET", "/openapi/v2", headers={"Accept": "text/html"}).code == 406


def test_health_in_words(server):
    assert server.request("GET", "/readyz").body == b"ok"
    told = server.request("GET", "/readyz?verbose").body.decode()
    assert told.splitlines()[:2] == ["[+]ping ok", "[+]etcd ok"]
    assert told.endswith("readyz check passed\n")
    without = server.request("GET", "/livez?verbose&exclude=etcd&exclude=ping").body.decode()
    assert "[+]ping excluded: ok" in without
    assert 'cannot be excluded: no matches for "etcd"' in without


def test_single_checks_are_not_for_everybody(server):
    assert server.request("GET", "/readyz/etcd").body == b"ok"
    assert server.request("GET", "/readyz/no-such").code == 404
    assert server.request("GET", "/debug/pprof").code == 404
    paths = server.request("GET", "/").json["paths"]
    assert {"/livez/ping", "/readyz/etcd", "/readyz/shutdown"} <= {*paths}


def test_metrics(server):
    server.request("GET", CONFIGMAPS)
    server.request("POST", f"{CONFIGMAPS}?dryRun=All", {"metadata": {"name": "counted"}})
    reply = server.request("GET", "/metrics")
    values = parsed(reply.body.decode())
    about = {"group": "", "version": "v1", "resource": "configmaps", "subresource": ""}
    about["component"] = "apiserver"
    listed = {**about, "verb": "LIST", "dry_run": "", "scope": "namespace"}
    assert values("apiserver_request_total", **listed, code="200") >= 1
    made = {**about, "verb": "POST", "dry_run": "All", "scope": "resource"}
    assert values("apiserver_request_total", **made, code="201") >= 1
    assert values("apiserver_request_duration_seconds_bucket", **listed, le="60.0") >= 1
    assert values("apiserver_storage_objects", resource="namespaces") >= 4
    assert values("apiserver_current_inflight_requests", request_kind="mutating") == 0
    assert values("etcd_request_duration_seconds_count", operation="create", type="namespaces") >= 4
    assert values("process_resident_memory_bytes") > 1 << 20


def test_metrics_as_openmetrics(server):
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    reply = server.request("GET", "/metrics", headers={"Accept": accept})
    assert reply.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {each.name for each in openmetrics_families(reply.body.decode())}
    assert {"apiserver_request", "apiserver_request_duration_seconds"} <= families


def parsed(text: str):
    """Return what looks up a sample's value; the whole text must be Prometheus'."""
    samples = [each for family in text_families(text) for each in family.samples]

    def value(name: str, **labels: str) -> float:
        found = [s.value for s in samples if (s.name, s.labels) == (name, labels)]
        assert len(found) == 1, (name, labels)
        return found[0]

    return value


def test_head_is_a_get_without_a_body(server):
    reply = server.request("HEAD", CONFIGMAPS)
    assert (reply.code, reply.body) == (200, b"")
