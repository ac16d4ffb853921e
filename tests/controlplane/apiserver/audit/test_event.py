"""What a server writes down, level by level (upstream: audit_test.go)."""

from __future__ import annotations

import json
import re
import socket
import time

import pytest
from tests.controlplane.apiserver.conftest import RunningServer, free_port
from tests.controlplane.apiserver.stream_node import StreamNode

POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
rules:
- {level: RequestResponse, resources: [{resources: [configmaps]}]}
- {level: Request, resources: [{resources: [secrets]}], omitStages: [RequestReceived]}
- {level: Metadata, namespaces: [default]}
- {level: Metadata, nonResourceURLs: [/metrics]}
"""
MAPS = "/api/v1/namespaces/default/configmaps"
SECRETS = "/api/v1/namespaces/default/secrets"
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(scope="module")
def audited(authority, tmp_path_factory):
    folder = tmp_path_factory.mktemp("audited")
    (folder / "policy.yaml").write_text(POLICY)
    more = {"audit_policy": str(folder / "policy.yaml"), "audit_log": str(folder / "audit.log")}
    server = RunningServer(authority, folder, free_port(), more=more)
    server.start()
    yield server
    server.stop()


def events(server, reply):
    """Return what was written down of the request that *reply* answers."""
    lines = (server.directory / "audit.log").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [each for each in found if each["auditID"] == reply.headers["Audit-Id"]]


def test_requests_and_responses(audited):
    made = {"metadata": {"name": "a"}, "data": {"k": "v"}}
    reply = audited.request("POST", MAPS, made)
    received, completed = events(audited, reply)
    assert (received["stage"], completed["stage"]) == ("RequestReceived", "ResponseComplete")
    assert received["kind"] == "Event"
    assert received["apiVersion"] == "audit.k8s.io/v1"
    assert "requestObject" not in received
    assert completed["level"] == "RequestResponse"
    assert completed["verb"] == "create"
    assert completed["requestURI"] == MAPS
    assert completed["user"]["username"] == "admin"
    assert completed["sourceIPs"] == ["127.0.0.1"]
    assert completed["requestObject"] == made
    assert completed["objectRef"] == {
        "resource": "configmaps",
        "namespace": "default",
        "name": "a",
        "apiVersion": "v1",
    }
    assert completed["responseStatus"] == {"metadata": {}, "code": 201}
    assert completed["responseObject"]["data"] == {"k": "v"}
    assert "managedFields" not in completed["responseObject"]["metadata"]
    assert completed["annotations"]["authorization.k8s.io/decision"] == "allow"
    for key in ("requestReceivedTimestamp", "stageTimestamp"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", completed[key])


def test_requests_alone(audited):
    secret = {"metadata": {"name": "s"}, "stringData": {"k": "v"}}
    (completed,) = events(audited, audited.request("POST", SECRETS, secret))
    assert completed["requestObject"] == secret
    assert "responseObject" not in completed
    patch = {"Content-Type": "application/merge-patch+json"}
    reply = audited.request("PATCH", f"{SECRETS}/s", {"data": {"k": None}}, headers=patch)
    assert events(audited, reply)[0]["requestObject"] == {"data": {"k": None}}


def test_metadata_alone_and_what_was_refused(audited):
    reply = audited.request("GET", PODS, user="somebody")
    _, completed = events(audited, reply)
    assert reply.code == 403
    assert "requestObject" not in completed
    status = completed["responseStatus"]
    assert (status["code"], status["status"], status["reason"]) == (403, "Failure", "Forbidden")
    assert 'User "somebody" cannot list' in status["message"]
    assert completed["annotations"]["authorization.k8s.io/decision"] == "forbid"
    reply = audited.request("GET", "/metrics", user=None)
    _, completed = events(audited, reply)
    assert completed["user"]["username"] == "system:anonymous"
    assert "objectRef" not in completed


def test_what_no_rule_fits_is_not_written_down(audited):
    reply = audited.request("GET", "/api/v1/nodes")
    assert "Audit-Id" not in reply.headers


def test_who_acts_as_somebody_else(audited):
    headers = {"Impersonate-User": "bob", "Audit-Id": "given"}
    reply = audited.request("GET", PODS, headers=headers)
    assert reply.headers["Audit-Id"] == "given"
    _, completed = events(audited, reply)
    assert completed["user"]["username"] == "admin"
    assert completed["impersonatedUser"]["username"] == "bob"
    refused = audited.request("GET", PODS, user="alice", headers={"Impersonate-User": "bob"})
    assert events(audited, refused)[-1]["responseStatus"]["code"] == 403


def test_forged_tokens_are_told(audited):
    headers = {"Authorization": "Bearer forged", "Audit-Id": "forged"}
    reply = audited.request("GET", PODS, user=None, headers=headers)
    assert reply.code == 401
    lines = (audited.directory / "audit.log").read_text().splitlines()
    (event,) = [each for each in map(json.loads, lines) if each["auditID"] == "forged"]
    assert event["stage"] == "ResponseStarted"
    assert event["user"] == {"username": "", "groups": []}
    assert event["responseStatus"]["code"] == 401


def test_watches_are_told_when_they_begin_and_end(audited):
    path = f"{PODS}?watch=1&timeoutSeconds=1"
    audited.request("GET", path)
    ends = time.monotonic() + 10
    stages = []
    while len(stages) < 3 and time.monotonic() < ends:  # The end is told after the last octet.
        lines = (audited.directory / "audit.log").read_text().splitlines()
        stages = [each["stage"] for each in map(json.loads, lines) if each["requestURI"] == path]
        time.sleep(0.01)
    assert stages == ["RequestReceived", "ResponseStarted", "ResponseComplete"]


def test_who_takes_nothing_that_there_is_is_told(audited):
    reply = audited.request("GET", MAPS, headers={"Accept": "image/png"})
    assert reply.code == 406
    assert events(audited, reply)[-1]["responseStatus"]["code"] == 406


def test_an_exec_is_told_when_it_begins(audited, authority, tmp_path):
    node = StreamNode(authority, tmp_path)
    node.start()
    try:
        _place_pod(audited, node.port)
        path = f"{PODS}/streaming/exec?container=c&command=hold&stdout=1"
        wanted = "\r\n".join(
            (
                f"GET {path} HTTP/1.1",
                "Host: x",
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
                "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n",
            )
        )
        with (
            socket.create_connection(("127.0.0.1", audited.port), timeout=10) as plain,
            audited.tls().wrap_socket(plain, server_hostname="127.0.0.1") as tls,
        ):
            tls.sendall(wanted.encode())
            assert tls.recv(65536).startswith(b"HTTP/1.1 101 ")
            ends = time.monotonic() + 10
            while len(begun := _told(audited, path)) < 2:  # It is told after the first octet.
                assert time.monotonic() < ends
                time.sleep(0.01)
        assert [each["stage"] for each in begun][:2] == ["RequestReceived", "ResponseStarted"]
        assert begun[1]["responseStatus"]["code"] == 101
    finally:
        node.stop()


def _told(server, path):
    lines = (server.directory / "audit.log").read_text().splitlines()
    return [each for each in map(json.loads, lines) if each["requestURI"] == path]


def _place_pod(server, kubelet_port):
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_port}},
    }
    node = {"metadata": {"name": "streams"}, "status": status}
    assert server.request("POST", "/api/v1/nodes", node).code == 201
    assert server.request("PUT", "/api/v1/nodes/streams/status", node).code == 200
    spec = {"nodeName": "streams", "containers": [{"name": "c", "image": "i"}]}
    pod = {"metadata": {"name": "streaming"}, "spec": spec}
    assert server.request("POST", PODS, pod).code == 201
    pod["status"] = {
        "phase": "Running",
        "containerStatuses": [{"name": "c", "state": {"running": {}}}],
    }
    assert server.request("PUT", f"{PODS}/streaming/status", pod).code == 200


def test_a_policy_that_is_none_stops_the_server(authority, tmp_path):
    (tmp_path / "policy.yaml").write_text("rules: 1")
    more = {"audit_policy": str(tmp_path / "policy.yaml"), "audit_log": str(tmp_path / "log")}
    server = RunningServer(authority, tmp_path, free_port(), more=more)
    process = server.spawn()
    _, told = process.communicate(timeout=20)
    assert process.returncode != 0
    assert b"policy.yaml" in told + (tmp_path / "apiserver.log").read_bytes()


def test_what_admission_says(audited):
    """A policy that audits, and a level of PodSecurity that does."""
    group = "/apis/admissionregistration.k8s.io/v1"
    rule = {
        "operations": ["CREATE"],
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["configmaps"],
        "resourceNames": ["noted"],
    }
    policy = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "false", "message": "not nice"}],
        "auditAnnotations": [{"key": "who", "valueExpression": "object.metadata.name"}],
    }
    binding = {"policyName": "noting", "validationActions": ["Audit"]}
    for plural, spec in (("policies", policy), ("policybindings", binding)):
        path = f"{group}/validatingadmission{plural}"
        made = audited.request("POST", path, {"metadata": {"name": "noting"}, "spec": spec})
        assert made.code == 201, made.json
    reply = audited.request("POST", MAPS, {"metadata": {"name": "noted"}})
    assert reply.code == 201
    annotations = events(audited, reply)[-1]["annotations"]
    assert annotations["noting/who"] == "noted"
    [found] = json.loads(annotations["validation.policy.admission.k8s.io/validation_failure"])
    assert (found["policy"], found["message"]) == ("noting", "not nice")
    labels = {"pod-security.kubernetes.io/audit": "baseline"}
    merge = {"Content-Type": "application/merge-patch+json"}
    namespace = {"metadata": {"labels": labels}}
    audited.request("PATCH", "/api/v1/namespaces/default", namespace, headers=merge)
    spec = {"hostNetwork": True, "containers": [{"name": "c", "image": "pause"}]}
    reply = audited.request("POST", PODS, {"metadata": {"name": "noted"}, "spec": spec})
    assert reply.code == 201, reply.json
    annotations = events(audited, reply)[-1]["annotations"]
    assert annotations["pod-security.kubernetes.io/audit-violations"] == (
        'would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
    )
