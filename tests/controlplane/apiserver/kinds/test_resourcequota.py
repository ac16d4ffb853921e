from __future__ import annotations

import copy

import pytest

SPEC = {"hard": {"pods": "10", "requests.cpu": "4", "limits.cpu": "8"}}


def test_row(kind_of, made):
    quota = made("ResourceQuota", {"spec": SPEC, "status": {"hard": {"pods": "9"}}})
    assert quota["status"] == {}
    quota["status"] = {"hard": SPEC["hard"], "used": {"pods": "3", "requests.cpu": "500m"}}
    assert kind_of("ResourceQuota").cells(quota, 1767323045) == (
        "web",
        "pods: 3/10, requests.cpu: 500m/4",
        "limits.cpu: 0/8",
        "0s",
    )


def test_spec_and_status_have_a_writer_each(made, update):
    old = made("ResourceQuota", {"spec": SPEC})
    new = copy.deepcopy(old)
    new["spec"]["hard"], new["status"] = {"pods": "1"}, {"used": {"pods": "1"}}
    other = copy.deepcopy(new)
    assert update("ResourceQuota", new, old) == []
    assert (new["spec"], new["status"]) == ({"hard": {"pods": "1"}}, {})
    assert update("ResourceQuota", other, old, status=True) == []
    assert (other["spec"], other["status"]) == (SPEC, {"used": {"pods": "1"}})


@pytest.mark.parametrize(
    "spec",
    [
        {"hard": {"cpu": "100", "requests.storage": "10Gi", "services.loadbalancers": "3"}},
        {"hard": {"count/jobs.batch": "3", "requests.nvidia.com/gpu": "1", "hugepages-2Mi": "4Mi"}},
        {"hard": {"pods": "1"}, "scopes": ["BestEffort"]},
        {"hard": {"limits.cpu": "1"}, "scopes": ["Terminating", "NotBestEffort"]},
        {
            "hard": {"pods": "1"},
            "scopeSelector": {
                "matchExpressions": [
                    {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
                ]
            },
        },
    ],
)
def test_sound_quotas(wrong, spec):
    assert wrong("ResourceQuota", {"spec": spec}) == []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"hard": {"cpu": "-1"}},
         'spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0'),
        ({"hard": {"pods": ".5"}}, 'spec.hard[pods]: Invalid value: "500m": must be an integer'),
        ({"hard": {"cake": "1"}},
         'spec.hard[cake]: Invalid value: "cake": must be a standard resource for quota'),
        ({"hard": {"storage": "1"}},
         'spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota'),
        ({"scopes": ["Big"]}, 'spec.scopes: Invalid value: []string{"Big"}: unsupported scope'),
        ({"hard": {"cpu": "1"}, "scopes": ["BestEffort"]},
         'spec.scopes: Invalid value: []string{"BestEffort"}: unsupported scope applied to '
         "resource"),
        ({"hard": {"configmaps": "1"}, "scopes": ["Terminating"]},
         'spec.scopes: Invalid value: []string{"Terminating"}: unsupported scope applied to '
         "resource"),
        ({"scopes": ["Terminating", "NotTerminating"]},
         'spec.scopes: Invalid value: []string{"Terminating", "NotTerminating"}: conflicting '
         "scopes"),
    ],
)  # fmt: skip
def test_wrong_quotas(wrong, spec, message):
    assert wrong("ResourceQuota", {"spec": spec})[-1] == message


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"scopeName": "Big", "operator": "Exists"},
         'scopeName: Invalid value: "Big": unsupported scope'),
        ({"scopeName": "PriorityClass", "operator": "In"},
         "values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' "
         "for scope selector"),
        ({"scopeName": "PriorityClass", "operator": "Exists", "values": ["a"]},
         'values: Invalid value: []string{"a"}: must be no value when `operator` is \'Exists\' or '
         "'DoesNotExist' for scope selector"),
        ({"scopeName": "PriorityClass", "operator": "Near"},
         'operator: Invalid value: "Near": not a valid selector operator'),
    ],
)  # fmt: skip
def test_wrong_scope_selectors(wrong, row, message):
    spec = {"hard": {"pods": "1"}, "scopeSelector": {"matchExpressions": [row]}}
    assert wrong("ResourceQuota", {"spec": spec}) == [
        f"spec.scopeSelector.matchExpressions.{message}"
    ]


def test_scopes_are_for_good(made, update):
    old = made("ResourceQuota", {"spec": {"hard": {"pods": "1"}, "scopes": ["BestEffort"]}})
    new = copy.deepcopy(old)
    new["spec"]["scopes"] = ["NotBestEffort"]
    assert update("ResourceQuota", new, old) == [
        'spec.scopes: Invalid value: []string{"NotBestEffort"}: field is immutable'
    ]
