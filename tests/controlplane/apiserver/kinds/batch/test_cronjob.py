"""Upstream's TestValidateCronJob and TestSetDefaultCronJob as rows."""

from __future__ import annotations

import copy

import pytest

POD = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}
SPEC = {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": {"spec": POD}}}}


def test_defaults(made):
    spec = made("CronJob", {"spec": SPEC})["spec"]
    assert (spec["concurrencyPolicy"], spec["suspend"]) == ("Allow", False)
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (3, 1)
    job = spec["jobTemplate"]["spec"]
    assert "completions" not in job
    assert job["template"]["spec"]["dnsPolicy"] == "ClusterFirst"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, None),
        ({"timeZone": "Europe/Berlin", "schedule": "@daily"}, None),
        ({"schedule": ""}, "spec.schedule: Required value"),
        ({"schedule": "error"},
         'spec.schedule: Invalid value: "error": expected exactly 5 fields, found 1: [error]'),
        ({"schedule": "TZ=UTC 0 * * * *"},
         'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, '
         "use timeZone field instead"),
        ({"timeZone": "Mars"}, 'spec.timeZone: Invalid value: "Mars": unknown time zone Mars'),
        ({"timeZone": ""},
         'spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string'),
        ({"timeZone": "LOCAL"},
         'spec.timeZone: Invalid value: "LOCAL": timeZone must be an explicit time zone as '
         "defined in https://www.iana.org/time-zones"),
        ({"startingDeadlineSeconds": -1}, "spec.startingDeadlineSeconds: Invalid value: -1: must "
                                          "be greater than or equal to 0"),
        ({"failedJobsHistoryLimit": -1}, "spec.failedJobsHistoryLimit: Invalid value: -1: must be "
                                         "greater than or equal to 0"),
        ({"concurrencyPolicy": "Maybe"},
         'spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", '
         '"Forbid", "Replace"'),
        ({"jobTemplate": {"spec": {"parallelism": -1, "template": {"spec": POD}}}},
         "spec.jobTemplate.spec.parallelism: Invalid value: -1: must be greater than or equal to "
         "0"),
        ({"jobTemplate": {"spec": {"template": {"spec": {**POD, "restartPolicy": "Always"}}}}},
         "spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "
         '"OnFailure", "Never"'),
    ],
)  # fmt: skip
def test_validation(wrong, changes, cause):
    body = {"spec": copy.deepcopy({**SPEC, **changes})}
    assert wrong("CronJob", body) == ([cause] if cause else [])


def test_its_name_leaves_room_for_its_jobs(wrong):
    name = "a" * 53
    assert wrong("CronJob", {"spec": SPEC}, name) == [
        f'metadata.name: Invalid value: "{name}": must be no more than 52 characters'
    ]


def test_row(kind_of, made):
    cron_job = made("CronJob", {"spec": SPEC})
    cells = kind_of("CronJob").cells(cron_job, 1767323045)
    assert cells[:7] == ("web", "*/5 * * * *", "<none>", "False", 0, "<none>", "0s")
    cron_job["status"] = {"active": [{}], "lastScheduleTime": "2026-01-02T03:03:05Z"}
    assert kind_of("CronJob").cells(cron_job, 1767323045)[4:6] == (1, "60s")
