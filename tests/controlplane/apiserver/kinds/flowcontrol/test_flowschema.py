"""FlowSchemas: rows of upstream's TestFlowSchemaValidation."""

from __future__ import annotations

import copy

import pytest

from controlplane.apiserver.kinds.flowcontrol import mandatory

RULE = {
    "subjects": [{"kind": "User", "user": {"name": "noxu"}}],
    "resourceRules": [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}
    ],
}
SPEC = {"matchingPrecedence": 50, "priorityLevelConfiguration": {"name": "system"}}


def spec(*rules, **fields):
    return {"spec": {**copy.deepcopy(SPEC), "rules": copy.deepcopy([*rules]), **fields}}


def changed(**fields):
    return spec({**RULE, **fields})


def resources(**fields):
    return changed(resourceRules=[{**RULE["resourceRules"][0], **fields}])


def urls(*paths):
    return changed(nonResourceRules=[{"verbs": ["*"], "nonResourceURLs": [*paths]}])


WHERE = "spec.rules[0]"
RESOURCES = f"{WHERE}.resourceRules[0]"


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (spec(), []),
        (spec(RULE), []),
        (spec(matchingPrecedence=0), []),
        (spec(matchingPrecedence=-1),
         ["spec.matchingPrecedence: Invalid value: -1: must be a positive value"]),
        (spec(matchingPrecedence=10001),
         ["spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000"]),
        (spec(matchingPrecedence=1),
         ["spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have "
          "matchingPrecedence 1"]),
        (spec(distinguisherMethod={"type": "X"}),
         ['spec.distinguisherMethod.type: Unsupported value: "X": supported values: '
          '"ByNamespace", "ByUser"']),
        (spec(priorityLevelConfiguration={"name": ""}),
         ["spec.priorityLevelConfiguration.name: Required value: must reference a priority level"]),
        (changed(subjects=[]),
         [f"{WHERE}.subjects: Required value: subjects must contain at least one value"]),
        (changed(subjects=[{"kind": "Robot"}]),
         [f'{WHERE}.subjects[0].kind: Unsupported value: "Robot": supported values: "Group", '
          '"ServiceAccount", "User"']),
        (changed(subjects=[{"kind": "User", "group": {"name": "g"}}]),
         [f"{WHERE}.subjects[0].user: Required value: user is required when subject kind is 'User'",
          f"{WHERE}.subjects[0].group: Forbidden: group is forbidden when subject kind is not "
          "'Group'"]),
        (changed(resourceRules=[]),
         [f"{WHERE}: Required value: at least one of resourceRules and nonResourceRules has to be "
          "non-empty"]),
        (resources(verbs=["get", "*"]),
         [f'{RESOURCES}.verbs: Invalid value: ["get","*"]: if \'*\' is present, must not specify '
          "other verbs"]),
        (resources(apiGroups=[]),
         [f"{RESOURCES}.apiGroups: Required value: resource rules must supply at least one api "
          "group"]),
        (resources(namespaces=[]),
         [f"{RESOURCES}.namespaces: Required value: resource rules that are not cluster scoped "
          "must supply at least one namespace"]),
        (resources(namespaces=[], clusterScope=True), []),
        (urls("/healthz", "/apis/*", "/"), []),
        (urls("healthz"),
         [f'{WHERE}.nonResourceRules[0].nonResourceURLs[0]: Invalid value: "healthz": must start '
          "with slash"]),
        (urls("/*/a"),
         [f'{WHERE}.nonResourceRules[0].nonResourceURLs[0]: Invalid value: "/*/a": wildcard can '
          "only do suffix matching"]),
    ],
)  # fmt: skip
def test_schemas(wrong, body, messages):
    assert wrong("FlowSchema", body) == messages


def test_what_every_cluster_has_is_right(wrong):
    for kind in ("FlowSchema", "PriorityLevelConfiguration"):
        for obj in mandatory.objects(kind):
            assert wrong(kind, copy.deepcopy(obj), obj["metadata"]["name"]) == []


def test_mandatory_ones_stay_as_they_are(wrong):
    [catch_all] = [
        o for o in mandatory.objects("FlowSchema") if o["spec"]["matchingPrecedence"] == 10_000
    ]
    obj = copy.deepcopy(catch_all)
    obj["spec"]["matchingPrecedence"] = 9999
    [message] = wrong("FlowSchema", obj, "catch-all")
    assert message.endswith("spec of 'catch-all' must equal the fixed value")


def test_row(kind_of, made):
    schema = made("FlowSchema", spec(distinguisherMethod={"type": "ByUser"}))
    row = kind_of("FlowSchema").cells
    assert row(schema, 1767323045) == ("web", "system", 50, "ByUser", "0s", "?")
    assert row(mandatory.with_level(schema), 1767323045)[-1] == "False"


def test_clients_find_them(server):
    path = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
    items = server.request("GET", path).json["items"]
    assert len(items) == 13
    conditions = [item["status"]["conditions"][0]["status"] for item in items]
    assert set(conditions) == {"False"}
    levels = server.request("GET", path.replace("flowschemas", "prioritylevelconfigurations")).json
    assert {item["spec"]["priorityLevelConfiguration"]["name"] for item in items} <= {
        item["metadata"]["name"] for item in levels["items"]
    }
