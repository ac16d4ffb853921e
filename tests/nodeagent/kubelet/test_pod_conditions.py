"""Conditions (upstream: status/generate_test.go, by the names of its tests)."""

import pytest

from nodeagent.kubelet.pod_conditions import containers_ready, initialized, pod_ready

ALWAYS = "Always"


def spec(*names: str, inits=(), gates=()) -> dict:
    """A spec of containers; an init container whose name begins with `s` is a sidecar."""
    return {
        "containers": [{"name": name} for name in names],
        "initContainers": [
            {"name": name} | ({"restartPolicy": ALWAYS} if name[0] == "s" else {}) for name in inits
        ],
        "readinessGates": [{"conditionType": gate} for gate in gates],
    }


def status(name: str, ready: bool, started: bool = False) -> dict:
    return {"name": name, "ready": ready, "started": started}


@pytest.mark.parametrize(
    ("wanted", "statuses", "phase", "expected"),
    [
        (spec(), [], "Running", ("True", "", "")),
        (
            spec("1234"),
            [],
            "Running",
            ("False", "ContainersNotReady", "containers with unknown status: [1234]"),
        ),
        (
            spec("1234", "5678"),
            [status("1234", True), status("5678", True)],
            "Running",
            ("True", "", ""),
        ),
        (
            spec("1234", "5678"),
            [status("1234", True)],
            "Running",
            ("False", "ContainersNotReady", "containers with unknown status: [5678]"),
        ),
        (
            spec("1234", "5678"),
            [status("1234", True), status("5678", False)],
            "Running",
            ("False", "ContainersNotReady", "containers with unready status: [5678]"),
        ),
        (
            spec("1234", "5678"),
            [status("5678", False)],
            "Running",
            (
                "False",
                "ContainersNotReady",
                "containers with unknown status: [1234], containers with unready status: [5678]",
            ),
        ),
        (spec("1234"), [status("1234", False)], "Succeeded", ("False", "PodCompleted", "")),
        (spec("1234"), [status("1234", True)], "Failed", ("False", "PodFailed", "")),
        (
            spec("1234", inits=("sidecar",)),
            [status("1234", True), status("sidecar", True)],
            "Running",
            ("True", "", ""),
        ),
        (
            spec("1234", inits=("sidecar",)),
            [status("1234", True), status("sidecar", False)],
            "Running",
            ("False", "ContainersNotReady", "containers with unready status: [sidecar]"),
        ),
        (
            spec("1234", inits=("once",)),
            [status("1234", True), status("once", False)],
            "Running",
            ("True", "", ""),
        ),
    ],
    ids=["nobody", "unknown", "ready", "one-unknown", "one-unready", "both", "succeeded", "failed",
         "sidecar", "sidecar-unready", "init-does-not-count"],
)  # fmt: skip
def test_generate_containers_ready_condition(wanted, statuses, phase, expected):
    found = containers_ready(wanted, statuses, phase)
    assert (found["status"], found.get("reason", ""), found.get("message", "")) == expected


GATE = "gate1"


@pytest.mark.parametrize(
    ("conditions", "gates", "expected"),
    [
        ([], (), ("True", "")),
        (
            [],
            (GATE,),
            ("False", f'corresponding condition of pod readiness gate "{GATE}" does not exist.'),
        ),
        ([{"type": GATE, "status": "True"}], (GATE,), ("True", "")),
        (
            [{"type": GATE, "status": "False"}],
            (GATE, "gate2"),
            (
                "False",
                f'the status of pod readiness gate "{GATE}" is not "True", but False, '
                'corresponding condition of pod readiness gate "gate2" does not exist.',
            ),
        ),
    ],
    ids=["none", "missing", "true", "false-and-missing"],
)
def test_generate_pod_ready_condition(conditions, gates, expected):
    containers = {"type": "ContainersReady", "status": "True"}
    found = pod_ready(spec("a", gates=gates), containers, conditions)
    assert (found["type"], found["status"], found.get("message", "")) == ("Ready", *expected)


@pytest.mark.parametrize(
    ("inits", "statuses", "phase", "begun", "expected"),
    [
        ((), [], "Running", False, ("True", "", "")),
        (
            ("1234",),
            [],
            "Pending",
            False,
            ("False", "ContainersNotInitialized", "containers with unknown status: [1234]"),
        ),
        (
            ("1234", "5678"),
            [status("1234", True), status("5678", False)],
            "Pending",
            False,
            ("False", "ContainersNotInitialized", "containers with incomplete status: [5678]"),
        ),
        (("1234",), [status("1234", True)], "Succeeded", False, ("True", "PodCompleted", "")),
        (("sidecar",), [status("sidecar", True, started=True)], "Running", False, ("True", "", "")),
        (
            ("sidecar",),
            [status("sidecar", True)],
            "Pending",
            False,
            ("False", "ContainersNotInitialized", "containers with incomplete status: [sidecar]"),
        ),
        (("sidecar",), [status("sidecar", False)], "Running", True, ("True", "", "")),
    ],
    ids=["none", "unknown", "incomplete", "succeeded", "sidecar-started", "sidecar-not-started",
         "sidecar-restarts"],
)  # fmt: skip
def test_generate_pod_initialized_condition(inits, statuses, phase, begun, expected):
    found = initialized(spec("a", inits=inits), statuses, phase, begun=begun)
    assert (found["status"], found.get("reason", ""), found.get("message", "")) == expected
