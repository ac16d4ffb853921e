"""What a node observes of itself (upstream: TestMakeSignalObservations)."""

from fractions import Fraction

from eviction_pods import MIB, pod

from nodeagent.kubelet.eviction.observations import candidates, observations, stats_of
from nodeagent.kubelet.runtime_status import (
    ContainerState,
    ContainerStatus,
    PodRuntimeStatus,
    SandboxStatus,
)

CAPACITY = {"memory": Fraction(1024 * MIB), "ephemeral-storage": Fraction(4096 * MIB)}
ROWS = [
    {"pod_sandbox_id": "s1", "cpu_ns": 5, "memory_octets": 100 * MIB, "processes": 3},
    {"pod_sandbox_id": "s2", "cpu_ns": 7, "memory_octets": 24 * MIB, "processes": 2},
]


def running(uid: str, sandbox: str, *names: str) -> PodRuntimeStatus:
    containers = tuple(
        ContainerStatus(
            id=name, sandbox_id=sandbox, name=name, attempt=0, state=ContainerState.RUNNING
        )
        for name in names
    )
    made = SandboxStatus(id=sandbox, attempt=0, ready=True)
    return PodRuntimeStatus(
        uid=uid, name=uid, namespace="default", sandboxes=(made,), containers=containers
    )


def test_what_pods_use_is_what_the_node_lacks():
    seen = observations(CAPACITY, stats_of(ROWS).values(), 96 * MIB)
    assert seen["memory.available"].available == 900 * MIB
    assert seen["nodefs.available"].available == 4000 * MIB
    assert seen["imagefs.available"] == seen["nodefs.available"]
    assert seen["pid.available"].available == 32768 - 3 - 5


def test_more_than_there_is_leaves_nothing():
    rows = [{**ROWS[0], "memory_octets": 2048 * MIB}]
    assert observations(CAPACITY, stats_of(rows).values(), 0)["memory.available"].available == 0


def test_containers_share_evenly_and_who_does_not_run_is_no_candidate():
    pods = [pod("one"), pod("two"), pod("unknown")]
    seen = {"one": running("one", "s1", "a", "b"), "two": running("two", "gone", "c")}
    first, second = candidates(pods, seen, stats_of(ROWS), {"one": 8 * MIB})
    assert first.usage.containers["a"] == {"memory": 50 * MIB, "ephemeral-storage": 4 * MIB}
    assert (first.usage.memory, first.usage.storage, first.usage.processes) == (
        100 * MIB,
        8 * MIB,
        3,
    )
    assert second.usage is None
