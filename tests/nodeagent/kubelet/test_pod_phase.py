"""Phases (upstream: kubelet_pods_test.go, TestPodPhaseWith…)."""

import pytest

from nodeagent.kubelet.pod_phase import phase_of

RUNNING = {"running": {"startedAt": "t"}}
SUCCEEDED = {"terminated": {"exitCode": 0}}
FAILED = {"terminated": {"exitCode": 1}}
WAITING = {"waiting": {"reason": "ContainerCreating"}}


def status(name: str, state: dict, *, last: dict | None = None, started: bool = False) -> dict:
    return {"name": name, "state": state, "lastState": last or {}, "started": started}


def phase(policy: str, inits, mains, *, sidecar=False, ended=False) -> str:
    spec = {
        "restartPolicy": policy,
        "initContainers": [
            {"name": each["name"]} | ({"restartPolicy": "Always"} if sidecar else {})
            for each in inits
        ],
        "containers": [{"name": "a"}, {"name": "b"}],
    }
    return phase_of(spec, [*inits, *mains], ended=ended)


BOTH_RUN = [status("a", RUNNING), status("b", RUNNING)]
NOBODY = [status("a", WAITING), status("b", WAITING)]


@pytest.mark.parametrize(
    ("policy", "init", "mains", "expected"),
    [
        ("Always", status("i", SUCCEEDED), BOTH_RUN, "Running"),
        ("Always", status("i", RUNNING), NOBODY, "Pending"),
        ("Always", status("i", FAILED), NOBODY, "Pending"),
        ("Never", status("i", FAILED), NOBODY, "Failed"),
        ("OnFailure", status("i", FAILED), NOBODY, "Pending"),
        ("Always", status("i", WAITING, last=FAILED), NOBODY, "Pending"),
        ("Always", status("i", WAITING, last=SUCCEEDED), BOTH_RUN, "Running"),
        # The sandbox was made anew, and initialization begins anew beside what still counts.
        ("Always", status("i", RUNNING), BOTH_RUN, "Running"),
    ],
    ids=["done", "runs", "failed", "failed-never", "failed-on-failure", "backs-off", "lost",
         "again"],
)  # fmt: skip
def test_pod_phase_with_init_containers(policy, init, mains, expected):
    assert phase(policy, [init], mains) == expected


@pytest.mark.parametrize(
    ("policy", "sidecar", "mains", "expected"),
    [
        ("Always", status("i", RUNNING, started=True), BOTH_RUN, "Running"),
        ("Always", status("i", RUNNING), NOBODY, "Pending"),
        ("Always", status("i", WAITING), BOTH_RUN, "Pending"),
        ("Always", status("i", WAITING, last=FAILED), BOTH_RUN, "Running"),
        (
            "Never",
            status("i", RUNNING, started=True),
            [status("a", SUCCEEDED), status("b", SUCCEEDED)],
            "Running",
        ),
        (
            "Never",
            status("i", FAILED),
            [status("a", SUCCEEDED), status("b", SUCCEEDED)],
            "Succeeded",
        ),
        ("Never", status("i", FAILED), [status("a", SUCCEEDED), status("b", FAILED)], "Failed"),
    ],
    ids=["run", "not-started", "waits", "restarts", "outlives-its-pod", "gone-succeeded",
         "gone-failed"],
)  # fmt: skip
def test_pod_phase_with_restartable_init_containers(policy, sidecar, mains, expected):
    assert phase(policy, [sidecar], mains, sidecar=True) == expected


@pytest.mark.parametrize(
    ("policy", "mains", "expected"),
    [
        ("Always", [status("a", RUNNING), status("b", WAITING, last=FAILED)], "Running"),
        ("OnFailure", [status("a", SUCCEEDED), status("b", WAITING, last=FAILED)], "Running"),
        ("Never", [status("a", SUCCEEDED), status("b", {})], "Pending"),
        ("Always", [status("a", RUNNING)], "Pending"),
        ("Always", [status("a", FAILED), status("b", FAILED)], "Running"),
    ],
    ids=["crash-loop", "crash-loop-on-failure", "unknown", "one-is-missing", "between-restarts"],
)
def test_pod_phase_with_restart(policy, mains, expected):
    assert phase(policy, [], mains) == expected


def test_a_pod_that_nobody_starts_again_has_ended():
    done = [status("a", SUCCEEDED), status("b", SUCCEEDED)]
    assert phase("Always", [], done) == "Running"
    assert phase("Always", [], done, ended=True) == "Succeeded"
