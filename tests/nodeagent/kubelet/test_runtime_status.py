from nodeagent.kubelet.runtime_status import (
    CONTAINER_NAME_LABEL,
    HASH_ANNOTATION,
    POD_UID_LABEL,
    ContainerState,
    ContainerStatus,
    PodRuntimeStatus,
    SandboxStatus,
    garbage,
    pods_of,
)


def listed_sandbox(number: int, *, ready: bool = True) -> dict:
    return {
        "id": f"s{number}",
        "metadata": {"name": "p", "uid": "u", "namespace": "d", "attempt": number},
        "state": "SANDBOX_READY" if ready else "SANDBOX_NOTREADY",
        "created_at": 5.0,
        "network": {"address": "10.244.1.5/24"},
    }


def listed_container(number: int, **more) -> dict:
    return {
        "id": f"c{number}",
        "pod_sandbox_id": "s0",
        "metadata": {"name": "main", "attempt": number},
        "state": "CONTAINER_EXITED",
        "exit_code": 3,
        "labels": {POD_UID_LABEL: "u", CONTAINER_NAME_LABEL: "main"},
        "annotations": {HASH_ANNOTATION: "h"},
        "image": {"image": "nginx"},
        **more,
    }


def test_lists_become_pods_newest_first():
    sandboxes = [listed_sandbox(0, ready=False), listed_sandbox(1)]
    stray = listed_container(9, labels={POD_UID_LABEL: "nobody"})
    found = pods_of(sandboxes, [listed_container(0), listed_container(1), stray])
    pod = found["u"]
    assert [s.id for s in pod.sandboxes] == ["s1", "s0"]
    assert [c.id for c in pod.containers] == ["c1", "c0"]
    assert pod.address == "10.244.1.5"
    newest = pod.container("main")
    assert (newest.exit_code, newest.hash, newest.image) == (3, "h", "nginx")
    assert pod.previous("main").id == "c0"
    assert list(found) == ["u"]


def test_container_without_labels_belongs_to_its_sandbox():
    pod = pods_of([listed_sandbox(0)], [listed_container(0, labels={})])["u"]
    assert pod.container("main").id == "c0"


def test_dead_sandbox_has_no_address():
    assert pods_of([listed_sandbox(0, ready=False)], [])["u"].address == ""


def test_garbage_is_all_but_the_newest_two_and_what_they_need():
    def container(attempt: int, sandbox: str, state=ContainerState.EXITED) -> ContainerStatus:
        return ContainerStatus(
            id=f"c{attempt}", sandbox_id=sandbox, name="a", attempt=attempt, state=state
        )

    seen = PodRuntimeStatus(
        uid="u",
        name="p",
        namespace="d",
        sandboxes=tuple(SandboxStatus(id=f"s{n}", attempt=n, ready=n == 2) for n in (2, 1, 0)),
        containers=(
            container(3, "s2", ContainerState.RUNNING),
            container(2, "s1"),
            container(1, "s0"),
            container(0, "s0"),
        ),
    )
    assert garbage(seen) == (["c1", "c0"], ["s0"])
