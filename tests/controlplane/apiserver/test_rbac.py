"""What roles and bindings give, asked of a server."""

from __future__ import annotations

import pytest

RBAC = "/apis/rbac.authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"


def made(server, path, body, user="admin"):
    reply = server.request("POST", path, body, user=user)
    assert reply.code == 201, reply.body
    return reply.json


def role(name, *rules):
    return {"metadata": {"name": name}, "rules": [*rules]}


def rule(verbs, resources, group="", **more):
    return {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split(), **more}


def binding(name, to, user, kind="Role"):
    reference = {"apiGroup": GROUP, "kind": kind, "name": to}
    subject = {"apiGroup": GROUP, "kind": "User", "name": user}
    return {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}


def test_a_role_is_of_use_at_once_and_no_longer_than_its_binding(server, namespace):
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    where = f"{RBAC}/namespaces/{namespace}"
    assert server.request("GET", maps, user="reader").code == 403
    made(server, f"{where}/roles", role("r", rule("list", "configmaps")))
    made(server, f"{where}/rolebindings", binding("b", "r", "reader"))
    assert server.request("GET", maps, user="reader").code == 200
    assert server.request("POST", maps, {"metadata": {"name": "x"}}, user="reader").code == 403
    assert server.request("GET", "/api/v1/configmaps", user="reader").code == 403
    changed = server.request("GET", f"{where}/roles/r").json
    changed["rules"] = [rule("get", "configmaps", resourceNames=["one"])]
    server.request("PUT", f"{where}/roles/r", changed)
    assert server.request("GET", maps, user="reader").code == 403
    assert server.request("GET", f"{maps}/two", user="reader").code == 403
    assert server.request("GET", f"{maps}/one", user="reader").code == 404
    server.request("DELETE", f"{where}/rolebindings/b")
    assert server.request("GET", f"{maps}/one", user="reader").code == 403


def test_nobody_gives_what_he_does_not_have(server, namespace):
    where = f"{RBAC}/namespaces/{namespace}"
    own = (rule("*", "roles rolebindings", GROUP), rule("get", "pods"))
    made(server, f"{where}/roles", role("own", *own))
    made(server, f"{where}/rolebindings", binding("own", "own", "giver"))
    made(server, f"{where}/roles", role("big", rule("get", "secrets")))
    made(server, f"{where}/roles", role("small", rule("get", "pods")), user="giver")
    made(server, f"{where}/rolebindings", binding("small", "small", "other"), user="giver")
    taken = server.request(
        "POST", f"{where}/roles", role("more", rule("get", "secrets")), user="giver"
    )
    # "*" on roles has `escalate` in it, and `bind`, as upstream's has.
    assert taken.code == 201
    some = rule("create update get list watch patch delete", "roles rolebindings", GROUP)
    changed = server.request("GET", f"{where}/roles/own").json
    server.request("PUT", f"{where}/roles/own", {**changed, "rules": [some, rule("get", "pods")]})
    refused = server.request(
        "POST", f"{where}/roles", role("most", rule("get", "secrets")), user="giver"
    )
    assert refused.code == 403
    assert refused.json["message"].endswith(
        "is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'
    )
    refused = server.request(
        "POST", f"{where}/rolebindings", binding("big", "big", "other"), user="giver"
    )
    assert refused.code == 403
    assert 'rolebindings.rbac.authorization.k8s.io "big" is forbidden' in refused.json["message"]


REVIEWS = "/apis/authorization.k8s.io/v1"


def subject_review(server, spec, path=f"{REVIEWS}/subjectaccessreviews", user="admin"):
    return server.request("POST", path, {"spec": spec}, user=user)


def test_reviews_about_others_say_why(server, namespace):
    asked = {"verb": "get", "resource": "services", "namespace": "default"}
    reply = subject_review(server, {"user": "system:kube-scheduler", "resourceAttributes": asked})
    assert reply.json["status"] == {
        "allowed": True,
        "reason": 'RBAC: allowed by ClusterRoleBinding "system:kube-scheduler" of ClusterRole '
        '"system:kube-scheduler" to User "system:kube-scheduler"',
    }
    assert reply.json["kind"] == "SubjectAccessReview"
    reply = subject_review(server, {"user": "nobody", "resourceAttributes": asked})
    assert reply.json["status"] == {"allowed": False}
    reply = subject_review(server, {"groups": ["system:masters"], "resourceAttributes": asked})
    assert reply.json["status"]["allowed"]
    spec = {"user": "x", "resourceAttributes": asked}
    assert subject_review(server, spec, user="somebody").code == 403
    local = f"{REVIEWS}/namespaces/{namespace}/localsubjectaccessreviews"
    assert subject_review(server, spec, local).code == 400
    here = {"user": "x", "resourceAttributes": {**asked, "namespace": namespace}}
    assert subject_review(server, here, local).json["status"] == {"allowed": False}


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        ({}, 422, "at least one of user or group must be specified"),
        ({"user": "x"}, 422, "exactly one of nonResourceAttributes or resourceAttributes"),
        (
            {"user": "x", "resourceAttributes": {}, "nonResourceAttributes": {}},
            422,
            "cannot be specified in combination with resourceAttributes",
        ),
        ({"user": 1}, 400, "user"),
        ({"user": "x", "resourceAttributes": []}, 400, "resourceAttributes"),
    ],
)
def test_questions_that_make_no_sense(server, spec, code, words):
    reply = subject_review(server, spec)
    assert reply.code == code
    assert words in reply.json["message"]


def test_rules_of_ones_own(server):
    path = f"{REVIEWS}/selfsubjectrulesreviews"
    reply = server.request("POST", path, {"spec": {"namespace": "default"}}, user="somebody")
    status = reply.json["status"]
    assert status["incomplete"] is False
    assert {
        "verbs": ["create"],
        "apiGroups": ["authentication.k8s.io"],
        "resources": ["selfsubjectreviews"],
    } in status["resourceRules"]
    assert any("/api/*" in rule["nonResourceURLs"] for rule in status["nonResourceRules"])
    assert server.request("POST", path, {"spec": {}}).code == 400
    status = server.request("POST", path, {"spec": {"namespace": "a"}}).json["status"]
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    assert everything in status["resourceRules"]
    reply = server.request("POST", path, {"spec": {"namespace": "a"}}, user="system:node:n1")
    assert reply.json["status"]["incomplete"] is True


def test_other_verbs_on_reviews_are_refused(server):
    path = f"{REVIEWS}/selfsubjectaccessreviews"
    assert server.request("GET", path).code == 405
    assert server.request("GET", f"{path}/x").code == 404
    assert server.request("POST", f"{REVIEWS}/localsubjectaccessreviews", {}).code == 404


def test_discovery_shows_reviews(server):
    found = server.request("GET", REVIEWS).json["resources"]
    assert {each["name"]: (each["verbs"], each["namespaced"]) for each in found} == {
        "localsubjectaccessreviews": (["create"], True),
        "selfsubjectaccessreviews": (["create"], False),
        "selfsubjectrulesreviews": (["create"], False),
        "subjectaccessreviews": (["create"], False),
    }
