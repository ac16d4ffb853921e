"""The STATUS column, case by case: what is known of a pod, and the word for it."""

from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.pod.printer import COLUMNS, row

NOW = 1767323045 + 600
RUNNING = {"name": "a", "ready": True, "restartCount": 0, "state": {"running": {}}}
DONE = {
    "name": "b",
    "restartCount": 0,
    "state": {"terminated": {"exitCode": 0, "reason": "Completed"}},
}
READY = [{"type": "Ready", "status": "True"}]
INITIALIZED = {"type": "Initialized", "status": "True"}
MADE = "2026-01-02T03:04:05Z"


def waiting(reason):
    return {"name": "a", "restartCount": 0, "state": {"waiting": {"reason": reason}}}


def ended(**terminated):
    return {"name": "a", "restartCount": 0, "state": {"terminated": terminated}}


def pod(status, *, containers=1, init=(), deleted=False, **spec):
    metadata = {"name": "web-1", "creationTimestamp": MADE}
    if deleted:
        metadata["deletionTimestamp"] = MADE
    spec = {
        "containers": [{"name": str(n)} for n in range(containers)],
        "initContainers": list(init),
        **spec,
    }
    return {"metadata": metadata, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("obj", "ready", "status"),
    [
        (pod({"phase": "Pending"}), "0/1", "Pending"),
        (pod({"phase": "Running", "containerStatuses": [RUNNING]}), "1/1", "Running"),
        (
            pod({"phase": "Pending", "containerStatuses": [waiting("ContainerCreating")]}),
            "0/1",
            "ContainerCreating",
        ),
        (
            pod({"phase": "Running", "containerStatuses": [waiting("CrashLoopBackOff")]}),
            "0/1",
            "CrashLoopBackOff",
        ),
        (pod({"phase": "Succeeded", "containerStatuses": [DONE]}), "0/1", "Completed"),
        (
            pod({"phase": "Failed", "containerStatuses": [ended(exitCode=1, reason="Error")]}),
            "0/1",
            "Error",
        ),
        (pod({"phase": "Failed", "containerStatuses": [ended(exitCode=3)]}), "0/1", "ExitCode:3"),
        (
            pod({"phase": "Failed", "containerStatuses": [ended(exitCode=137, signal=9)]}),
            "0/1",
            "Signal:9",
        ),
        (pod({"phase": "Failed", "reason": "Evicted"}), "0/1", "Evicted"),
        (
            pod(
                {"phase": "Running", "conditions": READY, "containerStatuses": [DONE, RUNNING]},
                containers=2,
            ),
            "1/2",
            "Running",
        ),
        (
            pod({"phase": "Running", "containerStatuses": [DONE, RUNNING]}, containers=2),
            "1/2",
            "NotReady",
        ),
        (
            pod({"phase": "Running", "containerStatuses": [RUNNING]}, deleted=True),
            "1/1",
            "Terminating",
        ),
        (
            pod({"phase": "Succeeded", "containerStatuses": [DONE]}, deleted=True),
            "0/1",
            "Completed",
        ),
        (pod({"phase": "Running", "reason": "NodeLost"}, deleted=True), "0/1", "Unknown"),
        (
            pod(
                {
                    "phase": "Pending",
                    "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}],
                }
            ),
            "0/1",
            "SchedulingGated",
        ),
    ],
)
def test_status_of_containers(obj, ready, status):
    assert row(obj, NOW)[1:3] == (ready, status)


INIT = {"name": "a"}
SIDECAR = {"name": "a", "restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("init", "statuses", "ready", "status"),
    [
        ([INIT], [waiting("PodInitializing")], "0/1", "Init:0/1"),
        ([INIT, {"name": "b"}], [ended(exitCode=0), waiting("")], "0/1", "Init:1/2"),
        ([INIT], [waiting("ImagePullBackOff")], "0/1", "Init:ImagePullBackOff"),
        ([INIT], [ended(exitCode=1, reason="Error")], "0/1", "Init:Error"),
        ([INIT], [ended(exitCode=2)], "0/1", "Init:ExitCode:2"),
        ([INIT], [ended(exitCode=2, signal=15)], "0/1", "Init:Signal:15"),
        ([INIT], [ended(exitCode=0)], "0/1", "Pending"),
        ([SIDECAR], [{**RUNNING, "started": True}], "1/2", "Pending"),
        ([SIDECAR], [{**RUNNING, "started": False}], "0/2", "Init:0/1"),
    ],
)
def test_status_of_init_containers(init, statuses, ready, status):
    obj = pod({"phase": "Pending", "initContainerStatuses": statuses}, init=init)
    assert row(obj, NOW)[1:3] == (ready, status)


def test_a_sidecar_that_restarts_does_not_hide_the_containers():
    status = {
        "phase": "Running",
        "conditions": [INITIALIZED],
        "initContainerStatuses": [{**waiting("CrashLoopBackOff"), "restartCount": 2}],
        "containerStatuses": [RUNNING],
    }
    cells = row(pod(status, init=[SIDECAR]), NOW)
    assert cells[1:4] == ("1/2", "Init:CrashLoopBackOff", "2")


def test_restarts_say_when_the_last_one_was():
    last = {"terminated": {"finishedAt": "2026-01-02T03:09:05Z"}}
    older = {"terminated": {"finishedAt": "2026-01-02T03:08:05Z"}}
    statuses = [
        {**RUNNING, "restartCount": 2, "lastState": older},
        {**RUNNING, "restartCount": 1, "lastState": last},
    ]
    cells = row(pod({"phase": "Running", "containerStatuses": statuses}, containers=2), NOW)
    assert cells[3] == "3 (5m ago)"
    assert cells[4] == "10m"


def test_wide_cells():
    status = {
        "phase": "Running",
        "podIPs": [{"ip": "10.244.1.2"}],
        "conditions": [{"type": "example.com/a", "status": "True"}],
    }
    gates = [{"conditionType": "example.com/a"}, {"conditionType": "example.com/b"}]
    cells = row(pod(status, nodeName="node-1", readinessGates=gates), NOW)
    assert cells[5:] == ("10.244.1.2", "node-1", "<none>", "1/2")
    assert row(pod({"phase": "Pending"}), NOW)[5:] == ("<none>",) * 4
    assert len(cells) == len(COLUMNS)
