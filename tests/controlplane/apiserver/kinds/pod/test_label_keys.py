"""matchLabelKeys of pod affinity (upstream: TestApplyMatchLabelKeysAndMismatchLabelKeys)."""

from __future__ import annotations

import copy

import pytest

from controlplane.apiserver.kinds.pod import label_keys

SELECTOR = {"matchLabels": {"app": "web"}}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def row(key, operator, value):
    return {"key": key, "operator": operator, "values": [value]}


@pytest.mark.parametrize(
    ("keys", "rows"),
    [
        ({}, None),
        ({"matchLabelKeys": ["hash"]}, [row("hash", "In", "1")]),
        ({"mismatchLabelKeys": ["tenant"]}, [row("tenant", "NotIn", "a")]),
        (
            {"matchLabelKeys": ["hash"], "mismatchLabelKeys": ["tenant"]},
            [row("hash", "In", "1"), row("tenant", "NotIn", "a")],
        ),
        ({"matchLabelKeys": ["unknown"]}, None),
    ],
    ids=["none", "match", "mismatch", "both", "unknown"],
)
def test_selectors_have_what_the_keys_mean(keys, rows):
    term = {"labelSelector": copy.deepcopy(SELECTOR), **keys}
    affinity = {
        "podAffinity": {REQUIRED: [copy.deepcopy(term)]},
        "podAntiAffinity": {PREFERRED: [{"weight": 1, "podAffinityTerm": copy.deepcopy(term)}]},
    }
    pod = {"metadata": {"labels": {"hash": "1", "tenant": "a"}}, "spec": {"affinity": affinity}}
    label_keys.complete(pod)
    found = [each["labelSelector"].get("matchExpressions") for each in label_keys.terms(affinity)]
    assert found == [rows, rows]


def test_terms_without_a_selector_stay_as_they_are():
    term = {"matchLabelKeys": ["hash"]}
    spec = {"affinity": {"podAffinity": {REQUIRED: [term]}}}
    label_keys.complete({"metadata": {"labels": {"hash": "1"}}, "spec": spec})
    assert term == {"matchLabelKeys": ["hash"]}


@pytest.mark.parametrize(
    ("term", "messages"),
    [
        ({"labelSelector": SELECTOR, "matchLabelKeys": ["a"], "mismatchLabelKeys": ["b"]}, []),
        (
            {"matchLabelKeys": ["a"]},
            ["t.matchLabelKeys: Forbidden: must not be specified when labelSelector is not set"],
        ),
        (
            {"labelSelector": SELECTOR, "matchLabelKeys": ["a"], "mismatchLabelKeys": ["a"]},
            ['t.matchLabelKeys[0]: Invalid value: "a": exists in both matchLabelKeys and '
             "mismatchLabelKeys"],
        ),
    ],
    ids=["right", "no selector", "both"],
)  # fmt: skip
def test_what_is_wrong(term, messages):
    assert [str(cause) for cause in label_keys.validate(term, "t")] == messages


def test_a_pod_is_created_with_them(server, namespace):
    term = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": SELECTOR,
        "matchLabelKeys": ["hash"],
    }
    pod = {
        "metadata": {"name": "p", "labels": {"hash": "1"}},
        "spec": {
            "containers": [{"name": "c", "image": "i"}],
            "affinity": {"podAntiAffinity": {REQUIRED: [term]}},
        },
    }
    made = server.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod)
    [term] = made.json["spec"]["affinity"]["podAntiAffinity"][REQUIRED]
    assert term["labelSelector"]["matchExpressions"] == [row("hash", "In", "1")]
