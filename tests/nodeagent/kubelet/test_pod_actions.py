"""Truth tables of compute_pod_actions (upstream: TestComputePodActions)."""

import pytest

from nodeagent.kubelet.backoff import Backoff
from nodeagent.kubelet.pod_actions import (
    Health,
    PodActions,
    StartContainer,
    compute_pod_actions,
    hold_back,
)
from nodeagent.kubelet.pod_spec import ContainerSpec, PodSpec
from nodeagent.kubelet.runtime_status import (
    ContainerState,
    ContainerStatus,
    PodRuntimeStatus,
    SandboxStatus,
)

RUNNING, EXITED, CREATED = ContainerState.RUNNING, ContainerState.EXITED, ContainerState.CREATED


def spec(name: str, **more) -> ContainerSpec:
    return ContainerSpec(name=name, image="i", hash="h", **more)


def pod(
    *names: str,
    policy: str = "Always",
    inits: tuple[ContainerSpec, ...] = (),
    ephemeral: tuple[str, ...] = (),
) -> PodSpec:
    return PodSpec(
        containers=tuple(spec(name) for name in names),
        init_containers=inits,
        ephemeral_containers=tuple(spec(name) for name in ephemeral),
        restart_policy=policy,
    )


def ran(name: str, state: ContainerState = RUNNING, *, attempt=0, code=0, sandbox="s0", hash="h"):
    return ContainerStatus(
        id=f"{name}-{attempt}",
        sandbox_id=sandbox,
        name=name,
        attempt=attempt,
        state=state,
        exit_code=code,
        finished_at=100.0,
        hash=hash,
    )


def seen(*containers: ContainerStatus, ready: bool = True, attempt: int = 0) -> PodRuntimeStatus:
    sandbox = SandboxStatus(id=f"s{attempt}", attempt=attempt, ready=ready)
    ordered = tuple(sorted(containers, key=lambda c: -c.attempt))
    return PodRuntimeStatus(
        uid="u", name="p", namespace="d", sandboxes=(sandbox,), containers=ordered
    )


NOTHING = PodRuntimeStatus(uid="u", name="", namespace="")


def start(name: str, attempt: int = 0) -> StartContainer:
    return StartContainer(name=name, attempt=attempt)


def actions(spec: PodSpec, status: PodRuntimeStatus, **health: Health) -> PodActions:
    by_id = {name.replace("_", "-"): value for name, value in health.items()}
    return compute_pod_actions(spec, status, by_id)


def test_new_pod_gets_sandbox_and_all_containers():
    got = actions(pod("a", "b"), NOTHING)
    assert got == PodActions(create_sandbox=True, start=(start("a"), start("b")))


def test_new_pod_with_init_containers_starts_only_the_first():
    got = actions(pod("a", inits=(spec("i1"), spec("i2"))), NOTHING)
    assert got == PodActions(create_sandbox=True, start=(start("i1"),))


def test_everything_runs_nothing_to_do():
    assert actions(pod("a", "b"), seen(ran("a"), ran("b"))) == PodActions()


@pytest.mark.parametrize(
    ("policy", "code", "restarts"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ],
)
def test_exited_container_restarts_by_policy(policy, code, restarts):
    got = actions(pod("a", "b", policy=policy), seen(ran("a", EXITED, code=code), ran("b")))
    assert got == PodActions(start=(start("a", 1),) if restarts else ())


@pytest.mark.parametrize(
    ("status", "starts"),
    [
        (None, (start("e"),)),
        (ran("e", CREATED), (start("e"),)),
        (ran("e"), ()),
        (ran("e", EXITED, code=1), ()),
        (ran("e", EXITED, code=1, sandbox="before"), ()),
    ],
)
def test_an_ephemeral_container_starts_once(status, starts):
    there = [ran("a"), *([status] if status else [])]
    assert actions(pod("a", ephemeral=("e",)), seen(*there)) == PodActions(start=starts)


def test_an_ephemeral_container_does_not_wait_for_init_containers():
    wanted = pod("a", inits=(spec("i"),), ephemeral=("e",))
    assert actions(wanted, seen(ran("i"))) == PodActions(start=(start("e"),))


def test_an_ephemeral_container_does_not_keep_a_pod_that_is_done():
    wanted = pod("a", policy="Never", ephemeral=("e",))
    assert actions(wanted, seen(ran("a", EXITED), ran("e"))) == PodActions(kill_pod=True)


@pytest.mark.parametrize("policy", ["OnFailure", "Never"])
def test_all_containers_done_ends_the_pod(policy):
    assert actions(pod("a", policy=policy), seen(ran("a", EXITED))) == PodActions(kill_pod=True)


@pytest.mark.parametrize(
    ("policy", "code", "expected"),
    [
        ("Always", 137, PodActions(create_sandbox=True, attempt=1, start=(start("a", 1),))),
        ("OnFailure", 137, PodActions(create_sandbox=True, attempt=1, start=(start("a", 1),))),
        ("OnFailure", 0, PodActions(kill_pod=True)),
        ("Never", 137, PodActions(kill_pod=True)),
    ],
)
def test_dead_sandbox(policy, code, expected):
    got = actions(pod("a", policy=policy), seen(ran("a", EXITED, code=code), ready=False))
    assert got == expected


def test_dead_sandbox_with_init_containers_is_initialized_anew():
    status = seen(ran("i", EXITED), ran("a", EXITED, code=137), ready=False)
    got = actions(pod("a", inits=(spec("i"),)), status)
    assert got == PodActions(create_sandbox=True, attempt=1, start=(start("i", 1),))


def test_init_containers_of_an_old_sandbox_do_not_count():
    status = seen(ran("i", EXITED, sandbox="s0"), ran("a", EXITED, sandbox="s0"), attempt=1)
    got = actions(pod("a", inits=(spec("i"),)), status)
    assert got.start == (start("i", 1),)


def test_init_containers_run_one_after_the_other():
    two = pod("a", inits=(spec("i1"), spec("i2")))
    assert actions(two, seen(ran("i1"))) == PodActions()
    assert actions(two, seen(ran("i1", EXITED))).start == (start("i2"),)
    assert actions(two, seen(ran("i1", EXITED), ran("i2", EXITED))).start == (start("a"),)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("Always", PodActions(start=(start("i", 1),))),
        ("OnFailure", PodActions(start=(start("i", 1),))),
        ("Never", PodActions(kill_pod=True)),
    ],
)
def test_failed_init_container(policy, expected):
    one = pod("a", policy=policy, inits=(spec("i"),))
    assert actions(one, seen(ran("i", EXITED, code=1))) == expected


def test_init_containers_are_left_alone_once_a_container_exists():
    one = pod("a", inits=(spec("i"),))
    assert actions(one, seen(ran("a"))) == PodActions()


def test_sidecar_is_started_first_and_kept():
    one = pod("a", inits=(spec("s", sidecar=True),))
    assert actions(one, NOTHING).start == (start("s"),)
    assert actions(one, seen(ran("s")), s_0=Health.NOT_STARTED) == PodActions()
    assert actions(one, seen(ran("s"))).start == (start("a"),)
    assert actions(one, seen(ran("s", EXITED), ran("a"))).start == (start("s", 1),)


@pytest.mark.parametrize(
    ("health", "text"),
    [
        (Health.LIVENESS_FAILED, "Container a failed liveness probe, will be restarted"),
        (Health.STARTUP_FAILED, "Container a failed startup probe, will be restarted"),
    ],
)
def test_unhealthy_container_is_killed(health, text):
    got = actions(pod("a"), seen(ran("a")), a_0=health)
    assert [kill.message for kill in got.kill] == [text]
    assert got.start == ()


def test_changed_container_is_killed():
    got = actions(pod("a"), seen(ran("a", hash="other")))
    assert got.kill[0].message == "Container a definition changed, will be restarted"


def test_container_that_never_ran_is_made_again_under_its_number():
    assert actions(pod("a"), seen(ran("a", CREATED, attempt=2))).start == (start("a", 2),)


def test_hold_back_first_restart_is_at_once_later_ones_wait():
    backoff = Backoff(initial_s=10, max_s=300)
    specs = {"a": spec("a")}
    wanted = (start("a", 1),)
    status = seen(ran("a", EXITED))
    assert hold_back(wanted, specs, status, backoff, 100.0) == ([start("a", 1)], [])
    due, held = hold_back(wanted, specs, status, backoff, 104.0)
    assert due == []
    assert (held[0].delay_s, held[0].remaining_s) == (10, 6.0)
    assert hold_back(wanted, specs, status, backoff, 110.0)[0] == [start("a", 1)]
    assert hold_back(wanted, specs, status, backoff, 111.0)[1][0].delay_s == 20


def test_hold_back_never_delays_a_first_start():
    due, held = hold_back(
        (start("a"),), {"a": spec("a")}, NOTHING, Backoff(initial_s=1, max_s=2), 0
    )
    assert (due, held) == ([start("a")], [])
