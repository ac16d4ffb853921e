"""Jobs: pods that are made until enough have succeeded (batch/v1).

The selector is made by the server from the Job's uid, unless `manualSelector` says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from componentbase.clock import parse_rfc3339
from controlplane.apiserver.kinds import cells, metadata, strategy, workload
from controlplane.apiserver.kinds.batch import job_policies, job_spec, job_status
from controlplane.apiserver.kinds.go_syntax import go_label_selector, go_map
from controlplane.apiserver.kinds.kind import Cell, Column, Kind, Strategy
from controlplane.apiserver.kinds.pod.scheduling import validate_label_selector
from kubeapi import field, validation
from kubeapi.objects import Object, is_being_deleted, name_of, uid_of
from kubeapi.resources import JOBS
from kubeapi.selectors import LabelSelector
from kubeapi.status import Cause

_UID_LABEL: Final = "batch.kubernetes.io/controller-uid"
_UID_LABELS: Final = ("controller-uid", _UID_LABEL)
_NAME_LABELS: Final = ("job-name", "batch.kubernetes.io/job-name")
_BACKOFF_LIMIT: Final = 6
_NO_BACKOFF_LIMIT: Final = 2**31 - 1
#: What the Status cell shows, the first that holds.
_STATES: Final = (
    (job_status.COMPLETE, "Complete"),
    (job_status.FAILED, "Failed"),
    ("", "Terminating"),
    ("Suspended", "Suspended"),
    ("FailureTarget", "FailureTarget"),
    ("SuccessCriteriaMet", "SuccessCriteriaMet"),
)


def default(job: Object) -> None:
    """One pod, tried seven times; labels as the template's."""
    spec = job["spec"] = job.get("spec") or {}
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    policy = spec.get("podFailurePolicy")
    limited = spec.get("backoffLimitPerIndex") is not None
    for key, value in (
        ("parallelism", 1),
        ("backoffLimit", _NO_BACKOFF_LIMIT if limited else _BACKOFF_LIMIT),
        ("completionMode", job_spec.NON_INDEXED),
        ("suspend", False),
        ("manualSelector", False),
        ("podReplacementPolicy", "TerminatingOrFailed" if policy is None else "Failed"),
    ):
        if spec.get(key) is None:
            spec[key] = value
    if policy is not None:
        job_policies.default_failure_policy(policy)
    workload.default_template(spec)
    _default_labels(job)


def _default_labels(job: Object) -> None:
    labels, meta = job["spec"]["template"]["metadata"].get("labels"), job["metadata"]
    if labels and not meta.get("labels"):
        meta["labels"] = dict(labels)


def prepare_create(job: Object) -> None:
    """Begin without status, and with the selector that is the Job's own."""
    strategy.begin_generation(job)
    spec = job["spec"]
    if spec["manualSelector"]:
        return
    meta = spec["template"]["metadata"]
    labels = meta["labels"] = dict(meta.get("labels") or {})
    for key, value in _own_labels(job).items():
        labels.setdefault(key, value)
    if spec.get("selector") is None:
        spec["selector"] = {}
    selected = spec["selector"].get("matchLabels") or {}
    spec["selector"]["matchLabels"] = {_UID_LABEL: uid_of(job), **selected}
    _default_labels(job)


def _own_labels(job: Object) -> Mapping[str, str]:
    return {
        **dict.fromkeys(_UID_LABELS, uid_of(job)),
        **dict.fromkeys(_NAME_LABELS, name_of(job)),
    }


def validate(job: Object) -> list[Cause]:
    spec = job["spec"]
    return [
        *metadata.validate(job, validation.dns1123_subdomain),
        *job_spec.validate_spec(spec, "spec"),
        *_validate_selector(spec),
        *_validate_host_name(job),
    ]


def _validate_selector(spec: Object) -> Iterator[Cause]:
    selector = spec.get("selector")
    if selector is None:
        yield field.required("spec.selector")
        return
    wrong = list(validate_label_selector(selector, "spec.selector"))
    yield from wrong
    if not wrong:
        made = LabelSelector.from_object(selector)
        yield from workload.validate_match(made, spec["template"], "spec.template")


def _validate_host_name(job: Object) -> Iterator[Cause]:
    """Find that the pods of an indexed Job, named after it, would have no host names."""
    completions = job["spec"].get("completions") or 0
    if job["spec"].get("completionMode") != job_spec.INDEXED or completions <= 0:
        return
    longest = f"{name_of(job)}-{completions - 1}"
    if validation.dns1123_label(longest):
        detail = f"will not able to create pod with invalid DNS label: {longest}"
        yield field.invalid("metadata.name", name_of(job), detail)


def validate_create(job: Object) -> list[Cause]:
    """Find that the selector was not left to the server (upstream: validateGeneratedSelector)."""
    spec = job["spec"]
    if spec["manualSelector"]:
        return []
    causes: list[Cause] = []
    labels, own = spec["template"]["metadata"]["labels"], _own_labels(job)
    for key, value in own.items():
        if labels[key] != value:
            path = f"spec.template.metadata.labels[{key}]"
            causes.append(field.invalid(path, go_map(labels), f"must be '{value}'"))
    selector = spec["selector"]
    sound = not list(validate_label_selector(selector, ""))
    if sound and not LabelSelector.from_object(selector).matches(own):
        detail = "`selector` not auto-generated"
        causes.append(field.invalid("spec.selector", go_label_selector(selector), detail))
    return causes


def validate_update(new: Object, old: Object) -> list[Cause]:
    return [*metadata.validate_update(new, old), *job_spec.validate_changes(new, old)]


def _validate_status_update(new: Object, old: Object) -> list[Cause]:
    return [*metadata.validate_update(new, old), *job_status.validate_status(new, old)]


def fields(job: Object) -> Mapping[str, str]:
    return {"status.successful": str((job.get("status") or {}).get("succeeded") or 0)}


def state(job: Object) -> str:
    """Return the Status cell."""
    for kind, shown in _STATES:
        if job_status.holds(job, kind) if kind else is_being_deleted(job):
            return shown
    return "Running"


def _completions(spec: Object, status: Object) -> str:
    succeeded = status.get("succeeded") or 0
    if spec.get("completions") is not None:
        return f"{succeeded}/{spec['completions']}"
    parallel = spec.get("parallelism") or 0
    return f"{succeeded}/1 of {parallel}" if parallel > 1 else f"{succeeded}/1"


def _duration(status: Object, now: float) -> str:
    began, ended = status.get("startTime"), status.get("completionTime")
    if not began:
        return ""
    try:
        return cells.since(began, parse_rfc3339(ended) if ended else now)
    except ValueError:
        return cells.UNKNOWN


def row(job: Object, now: float) -> Sequence[Cell]:
    spec, status = job["spec"], job.get("status") or {}
    names, images = cells.container_cells(spec.get("template"))
    return (
        name_of(job),
        state(job),
        _completions(spec, status),
        _duration(status, now),
        cells.age(job, now),
        names,
        images,
        cells.label_selector(spec.get("selector")),
    )


JOB: Final = Kind(
    resource=JOBS,
    singular="job",
    categories=("all",),
    strategies={"status": Strategy(prepare=strategy.keep_spec, validate=_validate_status_update)},
    default=default,
    prepare_create=prepare_create,
    prepare_update=strategy.keep_status_and_count,
    validate=validate,
    validate_create=validate_create,
    validate_update=validate_update,
    fields=fields,
    columns=(
        cells.NAME,
        Column("Status", description="How it goes."),
        Column("Completions", description="Pods that succeeded out of wanted ones."),
        Column("Duration", description="How long it has taken, or took."),
        cells.AGE,
        cells.CONTAINERS,
        cells.IMAGES,
        cells.SELECTOR,
    ),
    cells=row,
    default_propagation="Orphan",
)
