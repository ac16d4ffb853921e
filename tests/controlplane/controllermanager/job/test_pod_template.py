"""The pods of a Job: TestPodGenerateNameWithIndex and TestGetNewIndexFailureCountValue by name."""

from __future__ import annotations

import pytest
from job_world import job, pod

from controlplane.controllermanager.job.completion_index import FAILURES, IGNORED_FAILURES
from controlplane.controllermanager.job.pod_template import generate_name, pod_of
from controlplane.controllermanager.job.tracking import FINALIZER, is_tracked

LONG = "hhhhhooooohhhhhooooohhhhhooooohhhhhooooohhhhhooooohhhhh"
LIMITED = {"completionMode": "Indexed", "backoffLimitPerIndex": 5}
IGNORING = {
    "rules": [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    ]
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("indexed-job", "indexed-job-1-"),
        (LONG + "ooooohhhhhooooo", LONG + "-1-"),
        (LONG + "oo", LONG + "-1-"),
    ],
    ids=["short", "too-long", "too-long-with-the-index"],
)
def test_pod_generate_name_with_index(name, expected):
    assert generate_name(name, 1) == expected


@pytest.mark.parametrize(
    ("name", "failures", "policy", "expected"),
    [
        ("first pod created", None, None, ("0", None)),
        ("failed pod being replaced with 0 index failure count", "0", None, ("1", None)),
        ("failed pod being replaced with >0 index failure count", "3", None, ("4", None)),
        ("failed pod being replaced, matching the ignore rule", "3", IGNORING, ("3", "1")),
    ],
)
def test_get_new_index_failure_count_value(name, failures, policy, expected):
    owner = job(**LIMITED, **({"podFailurePolicy": policy} if policy else {}))
    replaced = None
    if failures is not None:
        replaced = pod(owner, "a", "Failed", index=0)
        replaced["metadata"]["annotations"][FAILURES] = failures
        replaced["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    annotations = pod_of(owner, 0, replaced)["metadata"]["annotations"]
    assert (annotations[FAILURES], annotations.get(IGNORED_FAILURES)) == expected, name


def test_an_index_is_in_the_environment_once():
    owner = job(completionMode="Indexed")
    template = owner["spec"]["template"]["spec"]
    own = {"name": "JOB_COMPLETION_INDEX", "value": "mine"}
    template["containers"].append({"name": "d", "env": [own]})
    template["initContainers"] = [{"name": "i"}]
    made = pod_of(owner, 3, None)
    first, second = made["spec"]["containers"]
    path = "metadata.labels['batch.kubernetes.io/job-completion-index']"
    assert first["env"][0]["valueFrom"]["fieldRef"]["fieldPath"] == path
    assert second["env"] == [own]
    assert len(made["spec"]["initContainers"][0]["env"]) == 1
    assert made["spec"]["hostname"] == "work-3"
    assert "env" not in template["containers"][0]  # The template is the informer's.


def test_a_pod_without_an_index():
    owner = job()
    owner["spec"]["template"]["metadata"]["finalizers"] = ["mine.example/own", FINALIZER]
    made = pod_of(owner, None, None)
    assert made["metadata"]["finalizers"] == ["mine.example/own", FINALIZER]
    assert is_tracked(made)
    assert "hostname" not in made["spec"]
