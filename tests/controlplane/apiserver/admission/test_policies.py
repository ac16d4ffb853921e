"""ValidatingAdmissionPolicies, against a real server process."""

from __future__ import annotations

import pytest

GROUP = "/apis/admissionregistration.k8s.io/v1"
RULE = {
    "operations": ["CREATE", "UPDATE"],
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "resources": ["configmaps"],
}


@pytest.fixture
def configmaps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


@pytest.fixture
def policy(server, namespace: str):
    """Return a function that makes a policy and a binding for the test's namespace."""
    made: list[str] = []

    def create(
        *validations: dict, actions: tuple[str, ...] = ("Deny",), bound: dict | None = None, **spec
    ) -> None:
        selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
        whole = {
            "matchConstraints": {"resourceRules": [RULE], "namespaceSelector": selector},
            "validations": list(validations),
            **spec,
        }
        binding = {"policyName": namespace, "validationActions": list(actions), **(bound or {})}
        for plural, body in (
            ("validatingadmissionpolicies", whole),
            ("validatingadmissionpolicybindings", binding),
        ):
            answer = server.request(
                "POST", f"{GROUP}/{plural}", {"metadata": {"name": namespace}, "spec": body}
            )
            assert answer.code == 201, answer.json
            made.append(f"{GROUP}/{plural}/{namespace}")

    yield create
    for path in made:
        server.request("DELETE", path)


def configmap(name: str, **data: str) -> dict:
    return {"metadata": {"name": name}, "data": data}


def refused(answer, message: str, code: int = 422, reason: str = "Invalid") -> None:
    assert (answer.code, answer.json["reason"]) == (code, reason), answer.json
    assert message in answer.json["message"]


def test_violation_is_denied_with_its_message(server, policy, namespace, configmaps):
    policy(
        {"expression": "has(object.data.owner)", "message": "name an owner"},
        {
            "expression": "object.metadata.name.size() < 10",
            "messageExpression": "'%s is too long'.format([object.metadata.name])",
            "reason": "Forbidden",
        },
        {"expression": "object.data.owner != 'nobody'"},
    )
    who = f"ValidatingAdmissionPolicy '{namespace}' with binding '{namespace}' denied request: "
    answer = server.request("POST", configmaps, configmap("c", other="me"))
    refused(answer, f'configmaps "c" is forbidden: {who}name an owner')
    assert answer.json["details"]["causes"] == [{"message": f"{who}name an owner"}]
    answer = server.request("POST", configmaps, configmap("much-too-long", owner="me"))
    refused(answer, f"{who}much-too-long is too long", 403, "Forbidden")
    answer = server.request("POST", configmaps, configmap("c", owner="nobody"))
    refused(answer, f"{who}failed expression: object.data.owner != 'nobody'")
    assert server.request("POST", configmaps, configmap("c", owner="me")).code == 201


def test_old_object_request_and_namespace_are_seen(server, policy, namespace, configmaps):
    policy(
        {"expression": "oldObject == null || oldObject.data.a == object.data.a"},
        {"expression": "request.userInfo.username == 'admin' && request.operation != 'DELETE'"},
        {"expression": f"namespaceObject.metadata.name == '{namespace}'"},
        {"expression": "authorizer.group('').resource('pods').check('list').allowed()"},
        {"expression": "authorizer.requestResource.check('delete').allowed()"},
    )
    assert server.request("POST", configmaps, configmap("c", a="b")).code == 201
    refused(server.request("PUT", f"{configmaps}/c", configmap("c", a="c")), "oldObject.data.a")


def test_warn_and_audit_let_pass(server, policy, namespace, configmaps):
    policy({"expression": "false", "message": "not nice"}, actions=("Warn", "Audit"))
    answer = server.request("POST", configmaps, configmap("c"))
    assert answer.code == 201
    assert "with binding" in answer.headers["Warning"]
    assert "not nice" in answer.headers["Warning"]


def test_variables_are_evaluated_once_and_lazily(server, policy, configmaps):
    policy(
        {"expression": "variables.long || variables.twice == 'cc'"},
        variables=[
            {"name": "name", "expression": "object.metadata.name"},
            {"name": "twice", "expression": "variables.name + variables.name"},
            {"name": "long", "expression": "variables.name.size() > 5"},
            {"name": "broken", "expression": "object.missing.field"},
        ],
    )
    assert server.request("POST", configmaps, configmap("c")).code == 201
    refused(server.request("POST", configmaps, configmap("d")), "variables.long")


def test_variable_that_refers_to_itself(server, policy, configmaps):
    policy({"expression": "variables.a"}, variables=[{"name": "a", "expression": "variables.a"}])
    refused(server.request("POST", configmaps, configmap("c")), "refers to itself")


@pytest.mark.parametrize(("failure_policy", "code"), [("Fail", 422), ("Ignore", 201)])
def test_what_cannot_be_judged(server, policy, configmaps, failure_policy, code):
    policy({"expression": "object.missing.x == 1"}, failurePolicy=failure_policy)
    answer = server.request("POST", configmaps, configmap("c"))
    assert answer.code == code
    if code != 201:
        refused(answer, "resulted in error: no such key: missing")


def test_conditions_choose(server, policy, configmaps):
    policy(
        {"expression": "false"},
        matchConditions=[{"name": "named", "expression": "object.metadata.name == 'judged'"}],
    )
    assert server.request("POST", configmaps, configmap("other")).code == 201
    assert server.request("POST", configmaps, configmap("judged")).code == 422


def test_parameters(server, policy, configmaps):
    policy(
        {"expression": "object.data.a == params.data.a"},
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        matchConditions=[{"name": "no-params", "expression": "!has(object.data.limits)"}],
        bound={"paramRef": {"name": "limits", "parameterNotFoundAction": "Deny"}},
    )
    answer = server.request("POST", configmaps, configmap("early", a="b"))
    refused(answer, "no params found for policy binding with `Deny` parameterNotFoundAction")
    policy_path = f"{GROUP}/validatingadmissionpolicybindings/{configmaps.split('/')[4]}"
    allow = {"spec": {"paramRef": {"parameterNotFoundAction": "Allow"}}}
    patched = {"Content-Type": "application/merge-patch+json"}
    assert server.request("PATCH", policy_path, allow, headers=patched).code == 200
    limits = configmap("limits", a="b", limits="yes")
    assert server.request("POST", configmaps, limits).code == 201
    assert server.request("POST", configmaps, configmap("same", a="b")).code == 201
    refused(server.request("POST", configmaps, configmap("other", a="c")), "params.data.a")


def test_binding_narrows_where_its_policy_holds(server, policy, configmaps):
    labelled = {"objectSelector": {"matchLabels": {"check": "yes"}}}
    policy({"expression": "false"}, bound={"matchResources": labelled})
    assert server.request("POST", configmaps, configmap("c")).code == 201
    body = configmap("d")
    body["metadata"]["labels"] = {"check": "yes"}
    assert server.request("POST", configmaps, body).code == 422


def test_excluded_resources_and_names(server, policy, namespace, configmaps):
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    constraints = {
        "namespaceSelector": selector,
        "resourceRules": [RULE | {"resources": ["*"]}],
        "excludeResourceRules": [RULE | {"resourceNames": ["free"]}],
    }
    policy({"expression": "false"}, matchConstraints=constraints)
    assert server.request("POST", configmaps, configmap("free")).code == 201
    assert server.request("POST", configmaps, configmap("judged")).code == 422


def test_hostile_expression_ends_at_its_budget(server, policy, configmaps):
    numbers = ", ".join(map(str, range(300)))
    loops = f"[{numbers}].all(a, [{numbers}].all(b, [{numbers}].all(c, a + b + c >= 0)))"
    policy({"expression": loops})
    answer = server.request("POST", configmaps, configmap("c"))
    refused(answer, "operation cancelled: actual cost limit exceeded")
