"""What controllers ask about a Job, each question answered once (upstream: job/util/utils.go)."""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager import pod_facts
from kubeapi.objects import Object, is_condition_true

#: Who looks after Jobs that name nobody in spec.managedBy.
CONTROLLER_NAME: Final = "kubernetes.io/job-controller"
COMPLETE, FAILED = "Complete", "Failed"
SUCCESS_CRITERIA_MET, FAILURE_TARGET = "SuccessCriteriaMet", "FailureTarget"
SUSPENDED: Final = "Suspended"


def finished_status(job: Object) -> str:
    """Return Complete or Failed; "" while *job* has not finished."""
    for kind in (COMPLETE, FAILED):
        if is_condition_true(job, kind):
            return kind
    return ""


def is_suspended(job: Object) -> bool:
    return bool(job["spec"].get("suspend"))


def is_managed_elsewhere(job: Object) -> bool:
    """Return whether somebody else's controller looks after *job*."""
    return (job["spec"].get("managedBy") or CONTROLLER_NAME) != CONTROLLER_NAME


def has_limit_per_index(job: Object) -> bool:
    return job["spec"].get("backoffLimitPerIndex") is not None


def replaces_only_failed(job: Object) -> bool:
    """Return whether a pod is replaced when it has failed, not yet when it is on its way out."""
    spec = job["spec"]
    return spec.get("podReplacementPolicy") == "Failed" or bool(
        spec.get("podFailurePolicy") is not None
    )


def counts_as_failed(pod: Object, job: Object) -> bool:
    """Return whether *pod* is a failure: it failed, or was deleted and will be replaced."""
    phase = pod_facts.phase(pod)
    if phase == "Failed":
        return True
    if replaces_only_failed(job):
        return False
    return pod_facts.is_terminating(pod) and phase != "Succeeded"


def is_terminating(pod: Object) -> bool:
    """Return whether *pod* is on its way out and still runs."""
    return pod_facts.is_terminating(pod) and not pod_facts.is_finished(pod)
