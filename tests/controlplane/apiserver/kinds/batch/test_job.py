"""Upstream's TestValidateJob, …Update, …UpdateStatus and TestSetDefaultJob… as rows."""

from __future__ import annotations

import copy

import pytest

CONTAINER = {"name": "c", "image": "i:1"}
POD = {"restartPolicy": "Never", "containers": [CONTAINER]}
SPEC = {"template": {"spec": POD}}
INDEXED = {**SPEC, "completionMode": "Indexed", "completions": 3}
UID = "1a2b"
POLICY = "spec.podFailurePolicy.rules[0]"
NOT_NEGATIVE = "must be greater than or equal to 0"


def body(spec):
    return {"metadata": {"uid": UID}, "spec": spec}


def test_defaults(made):
    spec = made("Job", body(SPEC))["spec"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (1, 1, 6)
    assert (spec["completionMode"], spec["suspend"]) == ("NonIndexed", False)
    assert spec["podReplacementPolicy"] == "TerminatingOrFailed"
    alone = made("Job", body({**SPEC, "parallelism": 4}))["spec"]
    assert ("completions" in alone, alone["parallelism"]) == (False, 4)
    limited = made("Job", body({**INDEXED, "backoffLimitPerIndex": 1}))["spec"]
    assert limited["backoffLimit"] == 2**31 - 1


def test_the_selector_is_made_of_the_uid(made):
    job = made("Job", body(SPEC))
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": UID}}
    own = {
        "batch.kubernetes.io/controller-uid": UID,
        "batch.kubernetes.io/job-name": "web",
        "controller-uid": UID,
        "job-name": "web",
    }
    assert job["spec"]["template"]["metadata"]["labels"] == own
    assert job["metadata"]["labels"] == own


def rules(*given, **more):
    return {**SPEC, "podFailurePolicy": {"rules": list(given)}, **more}


def success(**rule):
    return {**INDEXED, "successPolicy": {"rules": [rule]}}


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        (SPEC, None),
        (INDEXED, None),
        ({**SPEC, "manualSelector": True, "selector": {"matchLabels": {"a": "b"}},
          "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD}}, None),
        (rules({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1, 2]}}), None),
        (rules({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}), None),
        (success(succeededIndexes="0,2", succeededCount=1), None),
        *(({**SPEC, key: -1}, f"spec.{key}: Invalid value: -1: {NOT_NEGATIVE}")
          for key in ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit",
                      "ttlSecondsAfterFinished")),
        ({**SPEC, "completionMode": "Some"},
         'spec.completionMode: Unsupported value: "Some": supported values: "NonIndexed", '
         '"Indexed"'),
        ({**SPEC, "completionMode": "Indexed", "parallelism": 1},
         "spec.completions: Required value: when completion mode is Indexed"),
        ({**INDEXED, "parallelism": 100001},
         "spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when "
         "completion mode is Indexed"),
        ({**SPEC, "backoffLimitPerIndex": 1},
         "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"),
        ({**INDEXED, "maxFailedIndexes": 1},
         "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"),
        ({**INDEXED, "backoffLimitPerIndex": 1, "maxFailedIndexes": 4},
         "spec.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions"),
        ({**SPEC, "managedBy": "me"},
         'spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as '
         '"acme.io/foo")'),
        ({**SPEC, "podReplacementPolicy": "Never"},
         'spec.podReplacementPolicy: Unsupported value: "Never": supported values: "Failed", '
         '"TerminatingOrFailed"'),
        ({"template": {"spec": {"containers": [CONTAINER]}}},
         'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'),
        (rules({"action": "Ignore", "onPodConditions": [{"type": "A"}]},
               template={"spec": {**POD, "restartPolicy": "OnFailure"}}),
         'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported '
         "when podFailurePolicy is specified"),
        (rules({"onPodConditions": [{"type": "A"}]}),
         f'{POLICY}.action: Required value: valid values: ["Count" "FailIndex" "FailJob" '
         '"Ignore"]'),
        (rules({"action": "FailIndex", "onPodConditions": [{"type": "A"}]}),
         f'{POLICY}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be '
         "set"),
        (rules({"action": "Count"}),
         f"{POLICY}: Invalid value: specifying one of OnExitCodes and OnPodConditions is "
         "required"),
        (rules({"action": "Count", "onPodConditions": [{"type": "A"}],
                "onExitCodes": {"operator": "NotIn", "values": [0]}}),
         f"{POLICY}: Invalid value: specifying both OnExitCodes and OnPodConditions is not "
         "supported"),
        (rules({"action": "Count", "onExitCodes": {"operator": "In", "values": [0]}}),
         f"{POLICY}.onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator"),
        (rules({"action": "Count", "onExitCodes": {"operator": "In", "values": [2, 1]}}),
         f"{POLICY}.onExitCodes.values: Invalid value: [2,1]: must be ordered"),
        (rules({"action": "Count", "onExitCodes": {"operator": "In", "values": [1],
                                                   "containerName": "x"}}),
         f'{POLICY}.onExitCodes.containerName: Invalid value: "x": must be one of the container '
         "or initContainer names in the pod template"),
        ({**SPEC, "successPolicy": {"rules": [{"succeededCount": 1}]}},
         'spec.successPolicy: Invalid value: {"rules":[{"succeededCount":1}]}: requires indexed '
         "completion mode"),
        (success(),
         "spec.successPolicy.rules[0]: Required value: at least one of succeededCount or "
         "succeededIndexes must be specified"),
        (success(succeededIndexes="2-5"),
         'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "2-5": error parsing '
         'succeededIndexes: too large index: "5"'),
        (success(succeededIndexes="0-1", succeededCount=3),
         "spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal "
         "to 2 (the number of indexes in the specified succeededIndexes field)"),
        ({**SPEC, "manualSelector": True}, "spec.selector: Required value"),
    ],
)  # fmt: skip
def test_validation(wrong, spec, cause):
    assert wrong("Job", body(copy.deepcopy(spec))) == ([cause] if cause else [])


def test_a_selector_of_one_s_own_needs_to_be_said(wrong):
    labels = {"controller-uid": "other"}
    found = wrong("Job", body({"template": {"metadata": {"labels": labels}, "spec": POD}}))
    assert len(found) == 1
    assert found[0].startswith("spec.template.metadata.labels[controller-uid]: Invalid value: map")
    assert found[0].endswith(f": must be '{UID}'")
    found = wrong("Job", body({**SPEC, "selector": {"matchLabels": {"a": "b"}}}))
    assert any(message.endswith("`selector` not auto-generated") for message in found)


def test_the_pods_of_an_indexed_job_have_host_names(wrong):
    name = "a" * 62
    assert wrong("Job", body({**INDEXED, "completions": 1}), name) == [
        f'metadata.name: Invalid value: "{name}": will not able to create pod with invalid DNS '
        f"label: {name}-0"
    ]


IMMUTABLE = "field is immutable"


@pytest.mark.parametrize(
    ("changes", "causes"),
    [
        ({"parallelism": 5, "backoffLimit": 1, "suspend": True}, []),
        ({"completions": 2}, [f"spec.completions: Invalid value: 2: {IMMUTABLE}"]),
        ({"completionMode": "Indexed"},
         [f'spec.completionMode: Invalid value: "Indexed": {IMMUTABLE}']),
    ],
)  # fmt: skip
def test_what_may_change(made, update, changes, causes):
    old = made("Job", body(SPEC))
    new = copy.deepcopy(old)
    new["spec"].update(changes)
    assert update("Job", new, old) == causes


def test_an_elastic_job_may_change_its_size(made, update):
    old = made("Job", body({**INDEXED, "parallelism": 3}))
    new = copy.deepcopy(old)
    new["spec"].update(completions=5, parallelism=5)
    assert update("Job", new, old) == []
    new["spec"].update(parallelism=4)
    assert update("Job", new, old) == [f"spec.completions: Invalid value: 5: {IMMUTABLE}"]


def test_only_a_job_that_waits_may_be_told_where_to_run(made, update):
    old = made("Job", body({**SPEC, "suspend": True}))
    new = copy.deepcopy(old)
    node_affinity = {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]
    }}  # fmt: skip
    new["spec"]["template"]["spec"].update(
        nodeSelector={"a": "b"},
        tolerations=[{"operator": "Exists"}],
        affinity={"nodeAffinity": node_affinity},
    )
    assert update("Job", copy.deepcopy(new), old) == []
    started = {**old, "status": {"startTime": "2026-01-02T03:04:05Z"}}
    [message] = update("Job", new, started)
    assert message.startswith("spec.template: Invalid value: {")
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2"
    assert len(update("Job", new, old)) == 1


COMPLETE = {"type": "Complete", "status": "True"}
MET = {"type": "SuccessCriteriaMet", "status": "True"}
FAILED = {"type": "Failed", "status": "True"}
TARGET = {"type": "FailureTarget", "status": "True"}
TIMES = {"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:01:00Z"}
CONDITIONS = "status.conditions: Invalid value: "


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        ({"active": 1, "ready": 1}, None),
        ({"conditions": [COMPLETE, MET], **TIMES}, None),
        ({"conditions": [FAILED, TARGET], "startTime": TIMES["startTime"]}, None),
        ({"active": -1}, f"status.active: Invalid value: -1: {NOT_NEGATIVE}"),
        ({"active": 1, "ready": 2},
         "status.ready: Invalid value: 2: cannot set more ready pods than active"),
        ({"conditions": [COMPLETE], **TIMES},
         f"{CONDITIONS}cannot set Complete=True condition without the SuccessCriteriaMet=true "
         "condition"),
        ({"conditions": [COMPLETE, MET, FAILED, TARGET], **TIMES},
         f"{CONDITIONS}cannot set Complete=True and Failed=true conditions"),
        ({"conditions": [COMPLETE, MET], "startTime": TIMES["startTime"]},
         "status.completionTime: Required value: completionTime is required for Complete jobs"),
        ({"completionTime": "T"},
         'status.completionTime: Invalid value: "T": cannot set completionTime when there is no '
         "Complete=True condition"),
        ({"conditions": [FAILED, TARGET]},
         "status.startTime: Required value: startTime is required for finished job"),
        ({"conditions": [COMPLETE, MET], "active": 1, **TIMES},
         "status.active: Invalid value: 1: active>0 is invalid for finished job"),
        ({"completedIndexes": "0"},
         'status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when '
         "non-indexed completion mode"),
    ],
)  # fmt: skip
def test_status(made, update, status, cause):
    old = made("Job", body(SPEC))
    found = update("Job", {**copy.deepcopy(old), "status": status}, old, status=True)
    assert (found == []) if cause is None else (found[0] == cause)


def test_an_end_is_an_end(made, update):
    old = made("Job", body(SPEC))
    old["status"] = {"conditions": [COMPLETE, MET], "succeeded": 2, **TIMES}
    new = {**copy.deepcopy(old), "status": {"succeeded": 1}}
    assert update("Job", new, old, status=True) == [
        f"{CONDITIONS}cannot disable the terminal Complete=True condition",
        "status.succeeded: Invalid value: 1: cannot decrease the succeeded counter",
    ]


@pytest.mark.parametrize(
    ("spec", "status", "cells"),
    [
        ({}, {}, ("Running", "0/1", "")),
        ({"completions": 3}, {"succeeded": 1, "startTime": "2026-01-02T03:03:05Z"},
         ("Running", "1/3", "60s")),
        ({"parallelism": 2}, {}, ("Running", "0/1 of 2", "")),
        ({}, {"conditions": [COMPLETE, MET], "succeeded": 1, **TIMES}, ("Complete", "1/1", "60s")),
        ({}, {"conditions": [TARGET]}, ("FailureTarget", "0/1", "")),
        ({}, {"conditions": [{"type": "Suspended", "status": "True"}]}, ("Suspended", "0/1", "")),
    ],
)  # fmt: skip
def test_row(kind_of, made, spec, status, cells):
    job = made("Job", body({**SPEC, **spec}))
    job["status"] = status
    row = kind_of("Job")
    assert row.cells(job, 1767323045)[1:5] == (*cells, "0s")
    assert row.fields(job) == {"status.successful": str(status.get("succeeded", 0))}
    assert row.default_propagation == "Orphan"


def test_an_elastic_job_that_shrinks_has_fewer_indexes(made, update):
    spec = {**SPEC, "completionMode": "Indexed", "completions": 2, "parallelism": 2}
    old = made("Job", body(spec))
    old["status"] = {"completedIndexes": "0-3", "succeeded": 4, "active": 1}
    still = {**copy.deepcopy(old), "status": {**old["status"], "active": 0}}
    assert update("Job", still, old, status=True) == []
    new = {**copy.deepcopy(old), "status": {"completedIndexes": "0,1", "succeeded": 2}}
    assert update("Job", new, old, status=True) == []
    new["status"]["completedIndexes"] = "0,2"
    assert update("Job", new, old, status=True) == [
        'status.completedIndexes: Invalid value: "0,2": error parsing completedIndexes: '
        'too large index: "2"'
    ]
