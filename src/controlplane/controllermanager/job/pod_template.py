"""The pods of a Job: its template, and what tells a pod which index is its own."""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager.job import failure_policy, job_facts
from controlplane.controllermanager.job.completion_index import (
    FAILURES,
    IGNORED_FAILURES,
    INDEX,
    all_failures,
    failures,
)
from controlplane.controllermanager.job.tracking import FINALIZER
from controlplane.controllermanager.replicaset.plan import pod_from_template
from kubeapi.objects import Object, name_of, owner_reference

_ENVIRONMENT: Final = "JOB_COMPLETION_INDEX"
#: The API server adds five characters, and a name has 63 at most.
_GENERATE_NAME_MAX: Final = 58


def pod_of(job: Object, index: int | None, replaced: Object | None) -> Object:
    """Return the pod to create for *index*; *replaced* is the one that failed before it."""
    pod = pod_from_template(job, owner_reference(job))
    metadata = pod["metadata"]
    finalizers = metadata.get("finalizers") or []
    metadata["finalizers"] = [*(one for one in finalizers if one != FINALIZER), FINALIZER]
    if index is None:
        return pod
    counts = _failure_counts(job, replaced) if job_facts.has_limit_per_index(job) else {}
    number = {INDEX: str(index)}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **number, **counts}
    metadata["labels"] = {**(metadata.get("labels") or {}), **number}
    metadata["generateName"] = generate_name(name_of(job), index)
    pod["spec"] = {**_with_index(pod["spec"]), "hostname": f"{name_of(job)}-{index}"}
    return pod


def generate_name(job: str, index: int) -> str:
    tail = f"-{index}-"
    return job[: _GENERATE_NAME_MAX - len(tail)] + tail


def _with_index(spec: Object) -> Object:
    """Return *spec* with the index in the environment of each container that lacks it."""
    containers = {
        key: [_told(container) for container in spec[key]]
        for key in ("initContainers", "containers")
        if spec.get(key)
    }
    return {**spec, **containers}


def _told(container: Object) -> Object:
    environment = container.get("env") or []
    if any(variable["name"] == _ENVIRONMENT for variable in environment):
        return container
    source = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
    return {**container, "env": [*environment, {"name": _ENVIRONMENT, "valueFrom": source}]}


def _failure_counts(job: Object, replaced: Object | None) -> Object:
    """Return the annotations that say how often the index has failed, by now."""
    if replaced is None:
        return {FAILURES: "0"}
    counted = failures(replaced)
    ignored = all_failures(replaced) - counted
    if failure_policy.match(job, replaced).counts:
        counted += 1
    else:
        ignored += 1
    counts = {FAILURES: str(counted)}
    return counts | {IGNORED_FAILURES: str(ignored)} if ignored else counts
