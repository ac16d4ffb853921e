"""Whether a CronJob makes a Job now, and when to look again (upstream: syncCronJob).

A CronJob that names no time zone goes by UTC, which is what a controller manager in a container
has; upstream takes its process's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from componentbase.clock import rfc3339
from controlplane import cron
from controlplane.controllermanager.cronjob.missed import (
    Missed,
    NeverDue,
    Times,
    most_recent,
    next_in_s,
)
from controlplane.controllermanager.cronjob.review import Report
from controlplane.cron import zones
from kubeapi.objects import Object, is_being_deleted, name_of, owner_reference

SCHEDULED_AT: Final = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_MANY_MISSED: Final = (
    "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
)
_FORBIDDEN: Final = (
    "Not starting job because prior execution is running and concurrency policy is Forbid"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Make the Job of the time *due* (None: none), and look again after *again_in_s*."""

    due: float | None = None
    #: Whether the Jobs that still run end first.
    replaces: bool = False
    again_in_s: float | None = None
    reports: tuple[Report, ...] = ()


def times_of(cron_job: Object) -> Times:
    """Return when *cron_job* is due; raises BadSchedule or UnknownZone."""
    zone = zones.zone(cron_job["spec"].get("timeZone") or "")
    return Times(cron.parse(cron_job["spec"]["schedule"]), zone)


def decide(cron_job: Object, active: Sequence[Object], now: float) -> Decision:
    """Decide about *cron_job*, whose Jobs *active* still run."""
    spec = cron_job["spec"]
    if is_being_deleted(cron_job):
        return Decision()
    try:
        zones.zone(spec.get("timeZone") or "")
    except zones.UnknownZone as error:
        text = f'invalid timeZone: "{spec.get("timeZone")}": {error}'
        return Decision(reports=(("Warning", "UnknownTimeZone", text),))
    if spec.get("suspend"):
        return Decision()
    try:
        times = times_of(cron_job)
    except cron.BadSchedule as error:
        text = f'unparseable schedule: "{spec["schedule"]}" : {error}'
        return Decision(reports=(("Warning", "UnparseableSchedule", text),))
    try:
        recent = most_recent(cron_job, times, now, within_deadline=True)
    except NeverDue as error:
        text = f"invalid schedule: {spec['schedule']} : {error}"
        return Decision(reports=(("Warning", "InvalidSchedule", text),))
    reports: list[Report] = []
    if recent.due is not None and recent.missed is Missed.MANY:
        reports.append(("Warning", "TooManyMissedTimes", _MANY_MISSED))
    due = None if recent.due is None else _allowed(cron_job, active, recent.due, reports, now)
    again = next_in_s(cron_job if due is None else _scheduled(cron_job, due), times, now)
    replaces = due is not None and spec["concurrencyPolicy"] == "Replace"
    return Decision(due=due, replaces=replaces, again_in_s=again, reports=tuple(reports))


def _allowed(
    cron_job: Object, active: Sequence[Object], due: float, reports: list[Report], now: float
) -> float | None:
    """Return *due* if its Job may still be made, and was not; tell why not."""
    spec = cron_job["spec"]
    deadline_s = spec.get("startingDeadlineSeconds")
    if deadline_s is not None and due + deadline_s < now:
        when = format_datetime(datetime.fromtimestamp(due, UTC))
        reports.append(("Warning", "MissSchedule", f"Missed scheduled time to start a job: {when}"))
        return None
    name = job_name(cron_job, due)
    last = (cron_job.get("status") or {}).get("lastScheduleTime")
    if last == rfc3339(due) or any(one["name"] == name for one in active):
        return None
    if spec["concurrencyPolicy"] == "Forbid" and active:
        reports.append(("Normal", "JobAlreadyActive", _FORBIDDEN))
        return None
    return due


def _scheduled(cron_job: Object, due: float) -> Object:
    status = {**(cron_job.get("status") or {}), "lastScheduleTime": rfc3339(due)}
    return {**cron_job, "status": status}


def job_name(cron_job: Object, due: float) -> str:
    """Return the name of the Job of the time *due*: of one time there can be but one."""
    return f"{name_of(cron_job)}-{int(due) // 60}"


def job_of(cron_job: Object, due: float) -> Object:
    """Return the Job to create for the time *due*."""
    template = cron_job["spec"]["jobTemplate"]
    given = template.get("metadata") or {}
    zone = zones.zone(cron_job["spec"].get("timeZone") or "")
    at = datetime.fromtimestamp(int(due), zone).isoformat().replace("+00:00", "Z")
    metadata: Object = {
        "name": job_name(cron_job, due),
        "annotations": {**(given.get("annotations") or {}), SCHEDULED_AT: at},
        "ownerReferences": [owner_reference(cron_job)],
    }
    if given.get("labels"):
        metadata["labels"] = dict(given["labels"])
    spec = template["spec"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
