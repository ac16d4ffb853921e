"""Webhooks, against a real server process and a real HTTPS server."""

from __future__ import annotations

import time

import pytest

WARNING = "Warning"


@pytest.fixture
def configmaps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def configmap(name: str, **metadata: object) -> dict:
    return {"metadata": {"name": name, **metadata}, "data": {"a": "b"}}


def test_review_says_what_is_written_and_by_whom(server, webhook, configured, configmaps):
    configured("Validating", {})
    assert server.request("POST", f"{configmaps}?fieldManager=me", configmap("c")).code == 201
    [review] = webhook.reviews
    request = review["request"]
    assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert request["operation"] == "CREATE"
    assert request["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert request["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert request["requestKind"] == request["kind"]
    assert request["object"]["data"] == {"a": "b"}
    assert request["object"]["metadata"]["uid"]
    assert request["oldObject"] is None
    assert request["name"] == "c"
    assert request["userInfo"]["username"] == "admin"
    assert "system:masters" in request["userInfo"]["groups"]
    assert request["dryRun"] is False
    assert request["options"]["kind"] == "CreateOptions"
    assert request["options"]["fieldManager"] == "me"
    assert webhook.paths == ["/review?timeout=10s"]


def test_update_and_delete_show_the_old_object(server, webhook, configured, configmaps):
    rules = [
        {
            "operations": ["*"],
            "apiGroups": ["*"],
            "apiVersions": ["*"],
            "resources": ["*"],
            "scope": "Namespaced",
        }
    ]
    configured("Validating", {"rules": rules})
    server.request("POST", configmaps, configmap("c"))
    server.request("PUT", f"{configmaps}/c", configmap("c") | {"data": {"a": "c"}})
    server.request("DELETE", f"{configmaps}/c")
    told = [review["request"] for review in webhook.reviews]
    assert [request["operation"] for request in told] == ["CREATE", "UPDATE", "DELETE"]
    assert told[1]["oldObject"]["data"] == {"a": "b"}
    assert told[1]["object"]["data"] == {"a": "c"}
    assert told[2]["oldObject"]["data"] == {"a": "c"}
    assert told[2]["object"] is None
    kinds = [request["options"]["kind"] for request in told]
    assert kinds == ["CreateOptions", "UpdateOptions", "DeleteOptions"]


@pytest.mark.parametrize(
    ("status", "code", "reason", "message"),
    [
        ({}, 400, "", "denied the request without explanation"),
        ({"message": "no"}, 400, "", "denied the request: no"),
        ({"reason": "Forbidden"}, 400, "Forbidden", "denied the request: Forbidden"),
        ({"message": "teapot", "code": 418}, 418, "", "denied the request: teapot"),
        ({"message": "fine", "code": 200}, 400, "", "denied the request: fine"),
    ],
)
def test_refusal_is_passed_on(
    server, webhook, configured, configmaps, status, code, reason, message
):
    configured("Validating", {})
    webhook.answer = lambda _request: {"allowed": False, "status": status}
    answer = server.request("POST", configmaps, configmap("c"))
    assert (answer.code, answer.json["reason"]) == (code, reason)
    assert answer.json["message"] == f'admission webhook "check.example.com" {message}'
    assert server.request("GET", f"{configmaps}/c").code == 404


def test_patch_changes_what_is_written(server, webhook, configured, configmaps, patch):
    configured("Mutating", {})
    webhook.answer = lambda _request: patch(
        {"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}},
        {"op": "replace", "path": "/data/a", "value": "changed"},
    )
    answer = server.request("POST", configmaps, configmap("c"))
    assert answer.code == 201
    assert answer.json["metadata"]["labels"] == {"seen": "yes"}
    assert answer.json["data"] == {"a": "changed"}
    assert (
        answer.json["metadata"]["uid"] == webhook.reviews[0]["request"]["object"]["metadata"]["uid"]
    )


def test_warnings_reach_the_client(server, webhook, configured, configmaps):
    configured("Validating", {})
    webhook.answer = lambda _request: {"allowed": True, "warnings": ["mind the gap"]}
    answer = server.request("POST", configmaps, configmap("c"))
    assert answer.headers[WARNING] == '299 - "mind the gap"'


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        ("Validating", {"uid": "other"}, "expected response.uid="),
        ("Validating", {"allowed": True, "patch": "W10="}, "may not return response.patch"),
        ("Mutating", {"allowed": True, "patch": "W10="}, "but not response.patchType"),
        ("Mutating", {"allowed": True, "patchType": "JSONPatch"}, "but not response.patch"),
        (
            "Mutating",
            {"allowed": True, "patch": "W10=", "patchType": "X"},
            "unsupported patch type",
        ),
        (
            "Mutating",
            {"allowed": True, "patch": "?", "patchType": "JSONPatch"},
            "undecodable patch",
        ),
    ],
)
def test_wrong_response_is_a_failure(server, webhook, configured, configmaps, kind, given, message):
    configured(kind, {})
    webhook.answer = lambda _request: given
    answer = server.request("POST", configmaps, configmap("c"))
    assert answer.code == 500
    assert 'failed calling webhook "check.example.com"' in answer.json["message"]
    assert message in answer.json["message"]


@pytest.mark.parametrize("raw", [b"", b"no json", b"[]", b"{}", b'{"kind":"AdmissionReview"}'])
def test_answer_that_is_no_review_is_a_failure(server, webhook, configured, configmaps, raw):
    configured("Validating", {})
    webhook.raw = raw
    answer = server.request("POST", configmaps, configmap("c"))
    assert (answer.code, answer.json["reason"]) == (500, "InternalError")


def test_patch_that_leaves_no_object_is_refused(server, webhook, configured, configmaps, patch):
    configured("Mutating", {})
    webhook.answer = lambda _request: patch({"op": "replace", "path": "/data", "value": 5})
    answer = server.request("POST", configmaps, configmap("c"))
    assert answer.code == 500
    assert "left no valid object" in answer.json["message"]
    webhook.answer = lambda _request: patch({"op": "remove", "path": "/data/missing"})
    assert server.request("POST", configmaps, configmap("c")).code == 500


def test_failure_policy(server, webhook, configured, configmaps):
    configured("Validating", {"failurePolicy": "Ignore"})
    webhook.status = 503
    assert server.request("POST", configmaps, configmap("open")).code == 201
    configured("Validating", {}, name=f"closed-{configmaps.split('/')[4]}")
    answer = server.request("POST", configmaps, configmap("closed"))
    assert answer.code == 500
    assert "failed to call webhook: Post" in answer.json["message"]


def test_webhook_of_another_authority_is_not_trusted(server, webhook, configured, configmaps):
    own = {"url": webhook.url}
    configured("Validating", {"clientConfig": own})
    answer = server.request("POST", configmaps, configmap("c"))
    assert answer.code == 500
    assert "failed to verify certificate: x509: unable to get" in answer.json["message"]
    assert webhook.reviews == []


def test_slow_webhook_is_given_up(server, webhook, configured, configmaps):
    configured("Validating", {"timeoutSeconds": 1})

    def slow(_request: dict) -> dict:
        time.sleep(1.3)
        return {"allowed": True}

    webhook.answer = slow
    answer = server.request("POST", configmaps, configmap("c"))
    assert answer.code == 500
    assert "context deadline exceeded" in answer.json["message"]


def test_object_selector_and_conditions_choose(server, webhook, configured, configmaps):
    conditions = [
        {"name": "not-mine", "expression": "request.userInfo.username != 'nobody'"},
        {"name": "named", "expression": "object.metadata.name.startsWith('check')"},
    ]
    selector = {"matchLabels": {"check": "yes"}}
    configured("Validating", {"objectSelector": selector, "matchConditions": conditions})
    for name, labels in (("check-a", {}), ("other", {"check": "yes"})):
        server.request("POST", configmaps, configmap(name, labels=labels))
    assert webhook.reviews == []
    server.request("POST", configmaps, configmap("check-b", labels={"check": "yes"}))
    assert [review["request"]["name"] for review in webhook.reviews] == ["check-b"]


def test_condition_that_cannot_be_judged(server, webhook, configured, configmaps, namespace):
    condition = [{"name": "broken", "expression": "object.missing.field == 1"}]
    configured("Validating", {"matchConditions": condition, "failurePolicy": "Ignore"})
    assert server.request("POST", configmaps, configmap("open")).code == 201
    configured("Validating", {"matchConditions": condition}, name=f"closed-{namespace}")
    answer = server.request("POST", configmaps, configmap("closed"))
    assert answer.code == 403
    assert "no such key: missing" in answer.json["message"]
    assert webhook.reviews == []


def test_dry_run_asks_and_says_so(server, webhook, configured, configmaps):
    configured("Validating", {"sideEffects": "NoneOnDryRun"})
    assert server.request("POST", f"{configmaps}?dryRun=All", configmap("c")).code == 201
    request = webhook.reviews[0]["request"]
    assert request["dryRun"] is True
    assert request["options"]["dryRun"] == ["All"]


def test_equivalent_version_is_matched(server, webhook, configured, namespace):
    events = {
        "operations": ["CREATE"],
        "apiGroups": ["events.k8s.io"],
        "apiVersions": ["v1"],
        "resources": ["events"],
    }
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"namespace": namespace},
        "reason": "R",
        "message": "text",
        "type": "Normal",
    }
    path = f"/api/v1/namespaces/{namespace}/events"
    configured("Validating", {"rules": [events], "matchPolicy": "Exact"})
    assert server.request("POST", path, event).code == 201
    assert webhook.reviews == []
    configured("Validating", {"rules": [events]}, name=f"equivalent-{namespace}")
    event["metadata"]["name"] = "f"
    assert server.request("POST", path, event).code == 201
    request = webhook.reviews[0]["request"]
    assert request["resource"]["group"] == "events.k8s.io"
    assert request["object"]["note"] == "text"
    assert request["requestResource"]["group"] == ""


def test_mutating_webhooks_are_asked_again_where_they_want(
    server, webhook, configured, configmaps, patch
):
    def answer(request: dict) -> dict:
        labels = request["object"]["metadata"].get("labels") or {}
        if request["options"].get("fieldManager") != "again":
            return {"allowed": True}
        step = len(webhook.reviews)
        return patch({"op": "add", "path": "/metadata/labels", "value": {**labels, f"s{step}": ""}})

    webhook.answer = answer
    configured(
        "Mutating",
        {"name": "first.example.com", "reinvocationPolicy": "IfNeeded"},
        {"name": "second.example.com"},
    )
    made = server.request("POST", f"{configmaps}?fieldManager=again", configmap("c"))
    assert sorted(made.json["metadata"]["labels"]) == ["s1", "s2", "s3"]
    assert len(webhook.reviews) == 3


def test_namespaces_and_other_cluster_scoped_objects(server, webhook, configured, namespace):
    rules = [
        {
            "operations": ["CREATE"],
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "resources": ["namespaces"],
            "scope": "Cluster",
        }
    ]
    selector = {"matchLabels": {"watched": namespace}}
    configured("Validating", {"rules": rules, "namespaceSelector": selector})
    name = f"x{namespace}"[:60]
    body = {"metadata": {"name": f"{name}-a", "labels": {"watched": namespace}}}
    server.request("POST", "/api/v1/namespaces", {"metadata": {"name": f"{name}-b"}})
    server.request("POST", "/api/v1/namespaces", body)
    assert [review["request"]["name"] for review in webhook.reviews] == [f"{name}-a"]


def test_configurations_themselves_are_never_asked_about(server, webhook, configured):
    everything = {
        "operations": ["*"],
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "resources": ["*/*"],
    }
    webhook.answer = lambda _request: {"allowed": False}
    path = configured("Validating", {"rules": [everything], "namespaceSelector": {}})
    assert server.request("DELETE", path).code == 200
    assert webhook.reviews == []


def pod_rule(operation: str, subresource: str) -> dict:
    return {
        "operations": [operation],
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": [f"pods/{subresource}"],
    }


@pytest.mark.parametrize(
    ("subresource", "query", "kind", "options"),
    [
        (
            "exec",
            "command=ls&command=-l&stdin=true&tty=true&container=c",
            "PodExecOptions",
            {"command": ["ls", "-l"], "stdin": True, "tty": True, "container": "c"},
        ),
        ("attach", "stdout=true", "PodAttachOptions", {"stdout": True}),
        ("portforward", "ports=80&ports=81", "PodPortForwardOptions", {"ports": [80, 81]}),
        ("proxy", "", "PodProxyOptions", {"path": "/a/b"}),
    ],
)
def test_connections_are_asked_about(
    server, webhook, configured, namespace, subresource, query, kind, options
):
    """A webhook refuses, so that no kubelet is needed."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    spec = {"nodeName": "n", "containers": [{"name": "c", "image": "pause"}]}
    assert server.request("POST", pods, {"metadata": {"name": "p"}, "spec": spec}).code == 201
    node = {
        "metadata": {"name": "n"},
        "status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]},
    }
    assert server.request("POST", "/api/v1/nodes", node).code in (201, 409)
    configured("Validating", {"rules": [pod_rule("CONNECT", subresource)]})
    webhook.answer = lambda _request: {"allowed": False, "status": {"message": "no way in"}}
    rest = "/a/b" if subresource == "proxy" else ""
    answer = server.request(
        "GET",
        f"{pods}/p/{subresource}{rest}?{query}",
        headers={
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
        },
    )
    assert "no way in" in answer.json["message"]
    [review] = webhook.reviews
    request = review["request"]
    assert (request["operation"], request["subResource"]) == ("CONNECT", subresource)
    assert request["kind"] == {"group": "", "version": "v1", "kind": kind}
    assert request["resource"]["resource"] == "pods"
    assert request["object"] == {"kind": kind, "apiVersion": "v1", **options}
    assert "options" not in request


def test_bindings_and_evictions_are_asked_about(server, webhook, configured, namespace):
    pods = f"/api/v1/namespaces/{namespace}/pods"
    spec = {"containers": [{"name": "c", "image": "pause"}]}
    assert server.request("POST", pods, {"metadata": {"name": "p"}, "spec": spec}).code == 201
    configured("Validating", {"rules": [pod_rule("CREATE", "*")]})
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
    assert server.request("POST", f"{pods}/p/binding", binding).code == 201
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    assert server.request("POST", f"{pods}/p/eviction", eviction).code == 201
    told = [review["request"] for review in webhook.reviews]
    assert [request["kind"]["kind"] for request in told] == ["Binding", "Eviction"]
    assert [request["operation"] for request in told] == ["CREATE", "CREATE"]
    assert told[0]["object"]["target"]["name"] == "n"


def test_scale_is_asked_about_and_may_be_changed(server, webhook, configured, namespace, patch):
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": "pause"}]},
    }
    deployment = {
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    assert server.request("POST", path, deployment).code == 201
    rule = {"operations": ["UPDATE"], "apiGroups": ["apps"], "apiVersions": ["v1"]}
    configured("Mutating", {"rules": [{**rule, "resources": ["deployments/scale"]}]})
    configured("Validating", {"rules": [{**rule, "resources": ["deployments"]}]})
    webhook.answer = lambda _request: patch({"op": "replace", "path": "/spec/replicas", "value": 3})
    scale = server.request("GET", f"{path}/web/scale").json
    scale["spec"]["replicas"] = 7
    answer = server.request("PUT", f"{path}/web/scale", scale)
    assert (answer.code, answer.json["spec"]["replicas"]) == (200, 3)
    [review] = webhook.reviews
    request = review["request"]
    assert request["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert request["subResource"] == "scale"
    assert request["object"]["spec"] == {"replicas": 7}
    assert request["oldObject"]["spec"] == {"replicas": 1}
    stored = server.request("GET", f"{path}/web").json
    assert (stored["spec"]["replicas"], stored["metadata"]["generation"]) == (3, 2)


def test_options_are_those_that_were_sent(server, webhook, configured, configmaps):
    rules = [
        {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
    ]
    configured("Validating", {"rules": rules})
    made = server.request("POST", configmaps, configmap("c")).json
    merge = {"Content-Type": "application/merge-patch+json"}
    server.request("PATCH", f"{configmaps}/c?fieldManager=p", {"data": {"x": "y"}}, headers=merge)
    body = {"preconditions": {"uid": made["metadata"]["uid"]}, "propagationPolicy": "Foreground"}
    server.request("DELETE", f"{configmaps}/c", body)
    created, patched, deleted = [review["request"]["options"] for review in webhook.reviews][:3]
    assert created == {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"}
    assert (patched["kind"], patched["fieldManager"]) == ("UpdateOptions", "p")
    assert deleted["preconditions"] == body["preconditions"]
    assert deleted["propagationPolicy"] == "Foreground"


def test_finalizing_a_namespace_is_a_write_like_others(server, webhook, configured, namespace):
    rules = [
        {
            "operations": ["UPDATE"],
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "resources": ["namespaces/finalize"],
        }
    ]
    configured("Validating", {"rules": rules})
    path = f"/api/v1/namespaces/{namespace}"
    now = server.request("GET", path).json
    now["spec"]["finalizers"] = ["kubernetes", "example.com/held"]
    answer = server.request("PUT", f"{path}/finalize?fieldManager=keeper", now)
    assert answer.json["spec"]["finalizers"] == ["kubernetes", "example.com/held"]
    [review] = webhook.reviews
    assert review["request"]["subResource"] == "finalize"
    assert review["request"]["object"]["spec"]["finalizers"][-1] == "example.com/held"
    [entry] = [
        one for one in answer.json["metadata"]["managedFields"] if one["manager"] == "keeper"
    ]
    assert entry["subresource"] == "finalize"
    webhook.answer = lambda _request: {"allowed": False, "status": {"message": "not yet"}}
    now["spec"]["finalizers"] = ["kubernetes"]
    del now["metadata"]["resourceVersion"]
    assert "not yet" in server.request("PUT", f"{path}/finalize", now).json["message"]
    webhook.answer = lambda _request: {"allowed": True}
    now["spec"]["finalizers"] = ["wrong"]
    wrong = server.request("PUT", f"{path}/finalize", now).json
    assert wrong["details"]["causes"][0]["field"] == "spec.finalizers[0]"
    now["spec"]["finalizers"] = ["kubernetes"]
    assert server.request("PUT", f"{path}/finalize", now).code == 200


def test_metrics_tell_what_webhooks_say(server, webhook, configured, configmaps, namespace):
    name = f"{namespace}.example.com"
    configured("Validating", {"name": name, "failurePolicy": "Ignore"})
    server.request("POST", configmaps, configmap("a"))
    webhook.answer = lambda _request: {"allowed": False, "status": {"code": 418}}
    server.request("POST", configmaps, configmap("b"))
    webhook.raw = b"nothing"
    assert server.request("POST", configmaps, configmap("c")).code == 201
    told = server.request("GET", "/metrics").body.decode()
    about = f'name="{name}",operation="CREATE"'
    rejection = f'error_type="no_error",{about},rejection_code="418",type="validating"'
    assert f"apiserver_admission_webhook_rejection_count{{{rejection}}} 1.0" in told
    opened = f'name="{name}",type="validating"'
    assert f"apiserver_admission_webhook_fail_open_count{{{opened}}} 1.0" in told
    asked = f'code="200",{about},rejected="false",type="validating"'
    assert f"apiserver_admission_webhook_request_total{{{asked}}} 1.0" in told
    assert "apiserver_admission_step_admission_duration_seconds_bucket" in told
