"""CronJobs: Jobs that are made again and again (batch/v1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane import cron
from controlplane.apiserver.kinds import cells, metadata, strategy, workload
from controlplane.apiserver.kinds.batch import job_policies, job_spec
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.cron import zones
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import CRONJOBS
from kubeapi.status import Cause

#: So that the names of its Jobs, eleven characters longer, are labels' values.
_NAME_MAX: Final = 52
_POLICIES: Final = ("Allow", "Forbid", "Replace")
_COUNTS: Final = (
    "startingDeadlineSeconds",
    "successfulJobsHistoryLimit",
    "failedJobsHistoryLimit",
)


def default(cron_job: Object) -> None:
    """Let Jobs overlap; keep three that succeeded and one that failed."""
    spec = cron_job["spec"] = cron_job.get("spec") or {}
    spec["concurrencyPolicy"] = spec.get("concurrencyPolicy") or _POLICIES[0]
    for key, value in (
        ("suspend", False),
        ("successfulJobsHistoryLimit", 3),
        ("failedJobsHistoryLimit", 1),
    ):
        if spec.get(key) is None:
            spec[key] = value
    template = spec["jobTemplate"] = spec.get("jobTemplate") or {}
    template["metadata"] = template.get("metadata") or {}
    job = template["spec"] = template.get("spec") or {}
    workload.default_template(job)
    if (policy := job.get("podFailurePolicy")) is not None:
        job_policies.default_failure_policy(policy)


def validate(cron_job: Object) -> list[Cause]:
    spec = cron_job["spec"]
    counted = (cause for key in _COUNTS for cause in workload.validate_count(spec, key))
    causes = [
        *metadata.validate(cron_job, validation.dns1123_subdomain),
        *_validate_times(spec),
        *counted,
        *_validate_policy(spec),
        *job_spec.validate_spec(spec["jobTemplate"]["spec"], "spec.jobTemplate.spec"),
    ]
    if len(name := name_of(cron_job)) > _NAME_MAX:
        detail = f"must be no more than {_NAME_MAX} characters"
        causes.append(field.invalid("metadata.name", name, detail))
    return causes


def _validate_times(spec: Object) -> Iterator[Cause]:
    text, zone = spec.get("schedule") or "", spec.get("timeZone")
    if not text:
        yield field.required("spec.schedule")
    elif "TZ" in text:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        yield field.invalid("spec.schedule", text, detail)
    else:
        try:
            cron.parse(text)
        except cron.BadSchedule as error:
            yield field.invalid("spec.schedule", text, str(error))
    if zone is not None and (why := _wrong_with_zone(zone)):
        yield field.invalid("spec.timeZone", zone, why)


def _wrong_with_zone(name: str) -> str:
    """Return what is wrong with a time zone's name, "" when nothing is."""
    if not name:
        return "timeZone must be nil or non-empty string"
    if name.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in"
        return f"{detail} https://www.iana.org/time-zones"
    try:
        zones.zone(name)
    except zones.UnknownZone as error:
        return str(error)
    return ""


def _validate_policy(spec: Object) -> Iterator[Cause]:
    policy = spec["concurrencyPolicy"]
    if policy not in _POLICIES:
        yield field.not_supported("spec.concurrencyPolicy", policy, _POLICIES)


def row(cron_job: Object, now: float) -> Sequence[Cell]:
    spec, status = cron_job["spec"], cron_job.get("status") or {}
    job = spec["jobTemplate"]["spec"]
    names, images = cells.container_cells(job.get("template"))
    last = status.get("lastScheduleTime")
    return (
        name_of(cron_job),
        spec.get("schedule") or "",
        spec.get("timeZone") or cells.NONE,
        "True" if spec.get("suspend") else "False",
        len(status.get("active") or ()),
        cells.since(last, now) if last else cells.NONE,
        cells.age(cron_job, now),
        names,
        images,
        cells.label_selector(job.get("selector")),
    )


CRONJOB: Final = Kind(
    resource=CRONJOBS,
    singular="cronjob",
    short_names=("cj",),
    categories=("all",),
    subresources=("status",),
    default=default,
    prepare_create=strategy.begin_generation,
    prepare_update=strategy.keep_status_and_count,
    prepare_status_update=strategy.keep_spec,
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(
        cells.NAME,
        Column("Schedule", description="When Jobs are made."),
        Column("Timezone", description="Whose clocks count."),
        Column("Suspend", "boolean", description="Whether none are made."),
        Column("Active", "integer", description="How many run."),
        Column("Last Schedule", description="When the last one was made."),
        cells.AGE,
        cells.CONTAINERS,
        cells.IMAGES,
        cells.SELECTOR,
    ),
    cells=row,
)
