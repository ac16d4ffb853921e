from __future__ import annotations

import pytest

from controlplane.apiserver.admission.default_toleration_seconds import add_default_tolerations

NOT_READY = {
    "key": "node.kubernetes.io/not-ready",
    "operator": "Exists",
    "effect": "NoExecute",
    "tolerationSeconds": 300,
}
UNREACHABLE = {**NOT_READY, "key": "node.kubernetes.io/unreachable"}
OWN = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 5}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], [NOT_READY, UNREACHABLE]),
        ([OWN], [OWN, UNREACHABLE]),
        ([{"operator": "Exists"}], [{"operator": "Exists"}]),
        (
            [{"operator": "Exists", "effect": "NoSchedule"}],
            [{"operator": "Exists", "effect": "NoSchedule"}, NOT_READY, UNREACHABLE],
        ),
    ],
)
def test_tolerations_are_added_where_the_pod_says_nothing(given, expected):
    spec = {"tolerations": given}
    add_default_tolerations(spec, 300)
    assert spec["tolerations"] == expected


def test_webhooks_see_the_tolerations(server, webhook, configured, namespace):
    rules = [
        {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    ]
    configured("Mutating", {"rules": rules})
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    path = f"/api/v1/namespaces/{namespace}/pods"
    made = server.request("POST", path, pod)
    assert made.code == 201
    [review] = webhook.reviews
    shown = review["request"]["object"]["spec"]["tolerations"]
    assert [each["key"] for each in shown] == [NOT_READY["key"], UNREACHABLE["key"]]
    assert {each["tolerationSeconds"] for each in shown} == {30}  # The lab's timings.
    assert made.json["spec"]["tolerations"] == shown
