"""What a Job may say (upstream: ValidateJobSpec); CronJobs say the same of their Jobs."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Final

from controlplane.apiserver.kinds import metadata, workload
from controlplane.apiserver.kinds.batch.job_policies import (
    validate_failure_policy,
    validate_success_policy,
)
from controlplane.apiserver.kinds.domain_path import validate_domain_path
from kubeapi import field
from kubeapi.objects import Object
from kubeapi.status import Cause

INDEXED, NON_INDEXED = "Indexed", "NonIndexed"
_MODES: Final = (NON_INDEXED, INDEXED)
_ENDING: Final = ("OnFailure", "Never")
_REPLACED_WHEN_FAILED: Final = "Failed"
_REPLACEMENTS: Final = (_REPLACED_WHEN_FAILED, "TerminatingOrFailed")
_COUNTS: Final = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_MANAGER_MAX: Final = 63
_PARALLEL_MAX: Final = 100_000
_FAILED_MAX: Final = 100_000
#: Above so many completions, with a limit per index, less may be asked.
_MANY: Final = 100_000
_PARALLEL_OF_MANY_MAX: Final = 10_000
_FAILED_OF_MANY_MAX: Final = 10_000
_OF_INDEXED: Final = "requires indexed completion mode"


def validate_spec(spec: Object, path: str) -> Iterator[Cause]:
    """Judge everything but the selector."""
    for key in _COUNTS:
        yield from workload.validate_count(spec, key, path)
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        detail = "when maxFailedIndexes is specified"
        yield field.required(f"{path}.backoffLimitPerIndex", detail)
    if (manager := spec.get("managedBy")) is not None:
        yield from validate_domain_path(manager, f"{path}.managedBy")
        if len(manager) > _MANAGER_MAX:
            yield field.too_long(f"{path}.managedBy", _MANAGER_MAX)
    mode = spec.get("completionMode")
    if mode is not None and mode not in _MODES:
        yield field.not_supported(f"{path}.completionMode", mode, _MODES)
    if mode == INDEXED:
        yield from _validate_indexed(spec, path)
    elif mode in (None, NON_INDEXED):
        for key in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(key) is not None:
                yield field.invalid(f"{path}.{key}", spec[key], _OF_INDEXED)
    if spec.get("podFailurePolicy") is not None:
        yield from validate_failure_policy(spec, f"{path}.podFailurePolicy")
    if spec.get("successPolicy") is not None:
        yield from validate_success_policy(spec, f"{path}.successPolicy")
    yield from _validate_replacement(spec, f"{path}.podReplacementPolicy")
    yield from workload.validate_template(spec["template"], f"{path}.template")
    yield from _validate_restarts(spec, f"{path}.template.spec.restartPolicy")


def _validate_indexed(spec: Object, path: str) -> Iterator[Cause]:
    completions, parallel = spec.get("completions"), spec.get("parallelism")
    failed = spec.get("maxFailedIndexes")
    if completions is None:
        yield field.required(f"{path}.completions", f"when completion mode is {INDEXED}")
    if parallel is not None and parallel > _PARALLEL_MAX:
        detail = f"must be less than or equal to {_PARALLEL_MAX} when completion mode is {INDEXED}"
        yield field.invalid(f"{path}.parallelism", parallel, detail)
    at = f"{path}.maxFailedIndexes"
    if failed is not None and completions is not None and failed > completions:
        yield field.invalid(at, failed, "must be less than or equal to completions")
    if failed is not None and failed > _FAILED_MAX:
        yield field.invalid(at, failed, f"must be less than or equal to {_FAILED_MAX}")
    limited = spec.get("backoffLimitPerIndex") is not None
    if completions is None or completions <= _MANY or not limited:
        return
    when = f"when completions are above {_MANY} and used with backoff limit per index"
    if failed is None:
        yield field.required(at, f"must be specified when completions is above {_MANY}")
    elif failed > _FAILED_OF_MANY_MAX:
        detail = f"must be less than or equal to {_FAILED_OF_MANY_MAX} {when}"
        yield field.invalid(at, failed, detail)
    if parallel is not None and parallel > _PARALLEL_OF_MANY_MAX:
        detail = f"must be less than or equal to {_PARALLEL_OF_MANY_MAX} {when}"
        yield field.invalid(f"{path}.parallelism", parallel, detail)


def _validate_replacement(spec: Object, path: str) -> Iterator[Cause]:
    policy = spec.get("podReplacementPolicy")
    failing = spec.get("podFailurePolicy") is not None
    offered = (_REPLACED_WHEN_FAILED,) if failing else _REPLACEMENTS
    if policy is not None and policy not in offered:
        yield field.not_supported(path, policy, offered)


def _validate_restarts(spec: Object, path: str) -> Iterator[Cause]:
    policy = spec["template"]["spec"]["restartPolicy"]
    if policy == "Always":
        offered = ", ".join(f'"{item}"' for item in _ENDING)
        yield field.required(path, f"valid values: {offered}")
    elif policy not in _ENDING:
        yield field.not_supported(path, policy, _ENDING)
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        detail = 'only "Never" is supported when podFailurePolicy is specified'
        yield field.invalid(path, policy, detail)


def validate_changes(new: Object, old: Object) -> Iterator[Cause]:
    """Find changes of what is for good in a Job's spec (upstream: ValidateJobSpecUpdate)."""
    after, before = new["spec"], old["spec"]
    if not _may_grow(after, before):
        yield from metadata.immutable(after, before, "completions", "spec.completions")
    yield from metadata.immutable(after, before, "selector", "spec.selector")
    template = before["template"]
    waits = before.get("suspend") and not (old.get("status") or {}).get("startTime")
    if waits:  # Nobody has been placed yet: where pods may run can still be said.
        template = _with_directions(template, after["template"])
    if after["template"] != template:
        detail = metadata.IMMUTABLE
        yield field.invalid("spec.template", after["template"], detail)
    for key in (
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ):
        yield from metadata.immutable(after, before, key, f"spec.{key}")


def _may_grow(after: Object, before: Object) -> bool:
    """Tell an elastic Job: indexed, as parallel as it has completions, before and after."""
    return (
        before.get("completionMode") == INDEXED
        and before.get("completions") is not None
        and after.get("completions") is not None
        and after.get("completions") == after.get("parallelism")
        and before.get("completions") == before.get("parallelism")
    )


def _with_directions(template: Object, given: Object) -> Object:
    """Return *template* with the scheduling directives that *given* has."""
    result, spec = copy.deepcopy(template), given["spec"]
    for target, source, keys in (
        (result["spec"], spec, ("nodeSelector", "tolerations", "schedulingGates")),
        (result["metadata"], given["metadata"], ("labels", "annotations")),
    ):
        for key in keys:
            target.pop(key, None)
            target.update({key: source[key]} if key in source else {})
    affinity, wanted = result["spec"].get("affinity") or {}, spec.get("affinity")
    affinity.pop("nodeAffinity", None)
    if wanted is not None and "nodeAffinity" in wanted:
        affinity["nodeAffinity"] = wanted["nodeAffinity"]
    result["spec"].pop("affinity", None)
    if affinity or wanted == {}:
        result["spec"]["affinity"] = affinity
    return result
