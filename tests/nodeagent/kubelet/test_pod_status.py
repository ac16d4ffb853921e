"""Phase and conditions (upstream: TestPodPhaseWith*, status/generate_test.go)."""

import pytest

from kubeapi.objects import condition
from nodeagent.kubelet.container_status import Probed, Waiting
from nodeagent.kubelet.pod_status import (
    PodFacts,
    Termination,
    address_fields,
    pod_status,
    status_patch,
)
from nodeagent.kubelet.runtime_status import (
    ContainerState,
    ContainerStatus,
    PodRuntimeStatus,
    SandboxStatus,
)

RUN, OK, BAD = "run", "ok", "bad"


def ran(name: str, how: str, attempt: int = 0) -> ContainerStatus:
    state = ContainerState.RUNNING if how == RUN else ContainerState.EXITED
    code = 1 if how == BAD else 0
    return ContainerStatus(
        id=f"{name}{attempt}",
        sandbox_id="s",
        name=name,
        attempt=attempt,
        state=state,
        started_at=1,
        finished_at=2,
        exit_code=code,
    )


def status_of(policy: str, inits=(), mains=(), *, before=None, spec=None, **facts):
    """*inits* and *mains* are (name, how) pairs; how is None for *not made yet*."""
    addresses = facts.pop("addresses", ("10.244.1.5",))
    sandbox = SandboxStatus(id="s", attempt=0, ready=True, addresses=addresses)
    made = [c if isinstance(c, ContainerStatus) else ran(*c) for c in (*inits, *mains) if made_(c)]
    runtime = PodRuntimeStatus(
        uid="u", name="p", namespace="d", sandboxes=(sandbox,), containers=tuple(made)
    )
    names = [
        [{"name": c.name if isinstance(c, ContainerStatus) else c[0]} for c in group]
        for group in (inits, mains)
    ]
    pod = {
        "metadata": {"name": "p", "namespace": "d", "uid": "u"},
        "spec": {"restartPolicy": policy, "initContainers": names[0], "containers": names[1]}
        | (spec or {}),
        "status": before or {},
    }
    return pod_status(
        pod, PodFacts(**{"seen": runtime, "host_ips": ("h",), "started_at": 0} | facts), 10.0
    )


def made_(item) -> bool:
    return isinstance(item, ContainerStatus) or item[1] is not None


@pytest.mark.parametrize(
    ("policy", "hows", "phase"),
    [
        ("Always", [None], "Pending"),
        ("Always", [RUN, None], "Pending"),
        ("Always", [RUN, RUN], "Running"),
        ("Always", [RUN, BAD], "Running"),
        ("Always", [OK], "Running"),
        ("OnFailure", [OK, OK], "Succeeded"),
        ("OnFailure", [OK, BAD], "Running"),
        ("OnFailure", [RUN, OK], "Running"),
        ("Never", [OK, OK], "Succeeded"),
        ("Never", [OK, BAD], "Failed"),
        ("Never", [RUN, BAD], "Running"),
    ],
)
def test_phase(policy, hows, phase):
    mains = [(f"c{i}", how) for i, how in enumerate(hows)]
    assert status_of(policy, mains=mains)["phase"] == phase


@pytest.mark.parametrize(
    ("policy", "how", "phase", "initialized"),
    [
        ("Always", None, "Pending", "False"),
        ("Always", RUN, "Pending", "False"),
        ("Always", BAD, "Pending", "False"),
        ("Never", BAD, "Failed", "False"),
    ],
)
def test_phase_while_initializing(policy, how, phase, initialized):
    status = status_of(policy, inits=[("i", how)], mains=[("c", None)])
    assert status["phase"] == phase
    found = condition({"status": status}, "Initialized")
    assert found["status"] == initialized
    assert found["message"] == "containers with incomplete status: [i]"
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"


def test_ready_pod_has_every_condition_true():
    status = status_of("Always", inits=[("i", OK)], mains=[("c", RUN)])
    assert {c["type"]: c["status"] for c in status["conditions"]} == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"),
        "True",
    )
    assert status["podIP"] == "10.244.1.5"


def test_unready_container_names_itself():
    status = status_of("Always", mains=[("c", RUN)], probed=lambda _id: Probed(ready=False))
    found = condition({"status": status}, "Ready")
    assert (found["status"], found["reason"]) == ("False", "ContainersNotReady")
    assert found["message"] == "containers with unready status: [c]"


def test_condition_that_turns_true_loses_its_reason():
    before = status_of("Always", mains=[("c", RUN)], probed=lambda _id: Probed(ready=False))
    status = status_of("Always", mains=[("c", RUN)], before=before)
    found = condition({"status": status}, "Ready")
    assert found["status"] == "True"
    assert "reason" not in found
    assert "message" not in found


def test_readiness_gates_hold_the_pod_back_but_not_its_containers():
    spec = {"readinessGates": [{"conditionType": "example.com/lb"}]}
    status = {"status": status_of("Always", mains=[("c", RUN)], spec=spec)}
    assert condition(status, "ContainersReady")["status"] == "True"
    assert condition(status, "Ready")["reason"] == "ReadinessGatesNotReady"
    gate = {"type": "example.com/lb", "status": "True"}
    after = status_of("Always", mains=[("c", RUN)], spec=spec, before={"conditions": [gate]})
    assert condition({"status": after}, "Ready")["status"] == "True"
    assert condition({"status": after}, "example.com/lb") == gate


def test_succeeded_pod_says_completed():
    status = {"status": status_of("Never", mains=[("c", OK)])}
    assert condition(status, "Ready")["reason"] == "PodCompleted"
    assert status["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"


def test_crash_loop_shows_the_last_end_as_last_state():
    waiting = {"c": Waiting(reason="CrashLoopBackOff", message="back-off")}
    status = status_of("Always", mains=[ran("c", BAD, attempt=3)], waiting=waiting)
    shown = status["containerStatuses"][0]
    assert shown["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert shown["lastState"]["terminated"]["exitCode"] == 1
    assert shown["restartCount"] == 3
    assert status["phase"] == "Running"


def test_restarted_container_keeps_its_last_state():
    runtime = PodRuntimeStatus(
        uid="u", name="p", namespace="d", containers=(ran("c", RUN, 1), ran("c", BAD, 0))
    )
    pod = {"metadata": {}, "spec": {"containers": [{"name": "c"}]}}
    status = pod_status(pod, PodFacts(seen=runtime, host_ips=("h",), started_at=0), 0)
    assert status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 1


def test_an_ephemeral_container_is_shown_and_never_ready():
    added = {"ephemeralContainers": [{"name": "debugger"}, {"name": "later"}]}
    runtime = PodRuntimeStatus(
        uid="u", name="p", namespace="d", containers=(ran("a", RUN), ran("debugger", BAD))
    )
    got = status_of("Always", mains=[("a", RUN)], spec=added, seen=runtime)
    assert got["phase"] == "Running"
    first, second = got["ephemeralContainerStatuses"]
    assert first["state"]["terminated"]["exitCode"] == 1
    assert second["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert [(each["ready"], "started" in each) for each in (first, second)] == [(False, False)] * 2


def test_volume_mounts_are_shown_whether_or_not_the_container_runs():
    mounts = [
        {"name": "data", "mountPath": "/data"},
        {"name": "token", "mountPath": "/token", "readOnly": True},
    ]
    spec = {"containers": [{"name": "c", "volumeMounts": mounts}]}
    for how in (RUN, None):
        shown = status_of("Always", mains=[("c", how)], spec=spec)["containerStatuses"][0]
        assert shown["volumeMounts"] == [
            {"name": "data", "mountPath": "/data"},
            {**mounts[1], "recursiveReadOnly": "Disabled"},
        ]


def test_ended_pod_is_judged_as_if_it_never_restarted():
    assert status_of("Always", mains=[("c", OK)], ended=True)["phase"] == "Succeeded"
    assert status_of("Always", mains=[("c", BAD)], ended=True)["phase"] == "Failed"
    assert status_of("Always", mains=[("c", None)], ended=True)["phase"] == "Failed"


def test_terminal_phase_does_not_change():
    status = status_of("Never", mains=[("c", None)], before={"phase": "Succeeded"})
    assert status["phase"] == "Succeeded"


def test_rejected_pod_fails_with_the_reason():
    status = status_of("Always", mains=[("c", None)], rejected=("Reason", "why"))
    assert (status["phase"], status["reason"], status["message"]) == (
        "Failed",
        "Reason",
        "Pod was rejected: why",
    )


def test_patch_holds_only_what_changed():
    assert status_patch("u", {"phase": "Running", "other": 1}, {"phase": "Running"}) is None
    patch = status_patch(
        "u", {"phase": "Pending", "hostIP": "h"}, {"phase": "Running", "hostIP": "h"}
    )
    assert patch == {"metadata": {"uid": "u"}, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("host_ip", "first"), [("192.168.64.1", "10.244.1.5"), ("fd00::1", "fd00:10:244:1::5")]
)
def test_the_address_of_the_nodes_own_family_comes_first(host_ip, first):
    addresses = ("10.244.1.5", "fd00:10:244:1::5")
    status = status_of("Always", mains=[("a", None)], addresses=addresses, host_ips=(host_ip,))
    assert status["podIP"] == status["podIPs"][0]["ip"] == first
    assert {each["ip"] for each in status["podIPs"]} == set(addresses)
    gone = status_of("Always", mains=[("a", None)], addresses=(), before=status)
    assert gone["podIPs"] == status["podIPs"]


def test_hosts_addresses_are_told_to_the_api_and_to_the_pod():
    hosts, pods = ("192.168.64.1", "fd00:192:168:64::1"), ("10.244.1.5", "fd00:10:244:1::5")
    status = status_of("Always", mains=[("a", None)], addresses=pods, host_ips=hosts)
    assert status["hostIP"] == "192.168.64.1"
    assert status["hostIPs"] == [{"ip": "192.168.64.1"}, {"ip": "fd00:192:168:64::1"}]
    assert address_fields(pods, hosts[::-1]) == {
        "status.podIP": "fd00:10:244:1::5",
        "status.podIPs": "fd00:10:244:1::5,10.244.1.5",
        "status.hostIP": "fd00:192:168:64::1",
        "status.hostIPs": "fd00:192:168:64::1,192.168.64.1",
    }


def test_a_terminated_pod_fails_when_its_containers_have_ended_however_they_did():
    why = Termination(reason="Evicted", message="why", grace_s=1)
    before = {"phase": "Running"}
    ending = status_of("Always", mains=[("c", RUN)], termination=why, before=before)
    assert (ending["phase"], "reason" in ending) == ("Running", False)
    assert condition({"status": ending}, "DisruptionTarget")["message"] == "why"
    ended = status_of("Always", mains=[("c", OK)], termination=why, before=before, ended=True)
    assert (ended["phase"], ended["reason"], ended["message"]) == ("Failed", "Evicted", "why")
    assert condition({"status": ended}, "Ready")["reason"] == "PodFailed"
    quiet = Termination(reason="Evicted", message="why", grace_s=1, disruption=False)
    overfull = status_of("Always", mains=[("c", OK)], termination=quiet, ended=True)
    assert condition({"status": overfull}, "DisruptionTarget") is None
