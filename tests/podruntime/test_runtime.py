"""CRI over a real podruntime process with real pod processes."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from componentbase.rpc import RpcError

from .node import Node

pytestmark = pytest.mark.asyncio

HERE = Path(__file__).parent
SELF = "tests.podruntime.programs"


def _gone(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


async def _pid(node: Node, sandbox: str) -> int:
    (found,) = [s for s in await node.call("ListPodSandbox") if s["id"] == sandbox]
    return found["pid"]


async def test_version_and_status(node):
    assert (await node.call("Version"))["runtime_name"] == "podwire"
    conditions = (await node.call("Status"))["conditions"]
    assert {each["type"]: each["status"] for each in conditions} == {
        "RuntimeReady": True,
        "NetworkReady": True,
    }


async def test_sysctls_make_the_pods_stack(node):
    sysctls = {"net.ipv4.ip_local_port_range": "7000 7000", "net.ipv4.tcp_ecn": "1"}
    sandbox = await node.run_pod(2, linux={"sysctls": sysctls})
    container = await node.run(sandbox, f"python://{SELF}:ephemeral_port")
    assert (await node.wait_exited(container))["exit_code"] == 0
    assert node.log(sandbox) == ["stdout F 7000"]


async def test_sandbox_with_a_sysctl_that_makes_no_sense_is_not_made(node):
    with pytest.raises(RpcError, match="tcp_ecn: invalid argument"):
        await node.run_pod(2, linux={"sysctls": {"net.ipv4.tcp_ecn": "9"}})
    assert await node.call("ListPodSandbox") == []


async def test_life_of_a_container(node):
    sandbox = await node.run_pod(2)
    (listed,) = await node.call("ListPodSandbox")
    assert listed["state"] == "SANDBOX_READY"
    assert listed["network"]["address"] == "10.244.1.2/24"
    assert os.getpgid(listed["pid"]) == os.getpgid(node.process.pid)
    container = await node.create(
        sandbox, "busybox:1.36", args=["sh", "-c", "echo out; echo err >&2; exit 3"]
    )
    assert (await node.status(container))["state"] == "CONTAINER_CREATED"
    await node.call("StartContainer", container_id=container)
    status = await node.wait_exited(container)
    assert (status["exit_code"], status["reason"]) == (3, "Error")
    assert 0 < status["created_at"] <= status["started_at"] <= status["finished_at"]
    assert node.log(sandbox) == ["stdout F out", "stderr F err"]
    await node.call("RemoveContainer", container_id=container)
    assert await node.call("ListContainers") == []
    with pytest.raises(RpcError, match="NotFound"):
        await node.status(container)


async def test_events_are_told_in_order(node):
    sandbox = await node.run_pod(2)
    container = await node.run(sandbox, "busybox", command=["true"])
    assert (await node.wait_exited(container))["exit_code"] == 0
    await node.call("RemoveContainer", container_id=container)
    await node.call("StopPodSandbox", pod_sandbox_id=sandbox)
    again = await node.run_pod(3)
    second = await node.create(again, "pause")
    await node.call("RemoveContainer", container_id=second)
    kinds = []
    while not node.events.empty():
        kinds.append(node.events.get_nowait()["kind"])
    assert kinds[-4:] == ["SANDBOX_STOPPED", "CREATED", "STOPPED", "DELETED"]


async def test_stop_gives_the_grace_period_its_meaning(node):
    sandbox = await node.run_pod(2)
    ignoring = await node.run(sandbox, "busybox", "ignoring", command=["sleep", "3600"])
    trapping = await node.run(
        sandbox,
        "busybox",
        "trapping",
        command=["sh", "-c", "trap 'echo bye; exit 7' TERM; while true; do sleep 0.05; done"],
    )
    pause = await node.run(sandbox, "registry.k8s.io/pause:3.9", "pause")
    nginx = await node.run(sandbox, "nginx", "nginx")
    for container in (trapping, pause, nginx):
        await node.call("StopContainer", container_id=container, timeout_s=20)
    await node.call("StopContainer", container_id=ignoring, timeout_s=0.2)
    codes = [(await node.status(each))["exit_code"] for each in (ignoring, trapping, pause, nginx)]
    assert codes == [137, 7, 0, 0]
    assert node.log(sandbox, "trapping") == ["stdout F bye"]


async def test_pods_reach_each_other_and_not_after_removal(node):
    web, client = await node.run_pod(2, "web"), await node.run_pod(3)
    await node.run(web, "registry.k8s.io/e2e-test-images/agnhost:2.47", args=["netexec"])
    shell = await node.run(client, "busybox", command=["sleep", "3600"])
    assert await node.sh(shell, "wget -qO- 10.244.1.2:8080/hostname") == (0, "web")
    assert await node.sh(shell, "wget -qO- 10.244.1.2:8080/clientip | cut -d: -f1") == (
        0,
        "10.244.1.3\n",
    )
    status, output = await node.sh(shell, "ping -c 2 -i 0.05 10.244.1.2")
    assert status == 0
    assert "2 packets transmitted, 2 packets received, 0% packet loss" in output
    dial = "wget -qO- '10.244.1.2:8080/dial?host=10.244.1.2&port=8081&protocol=udp&tries=2'"
    assert await node.sh(shell, dial) == (0, '{"responses":["web","web"]}')
    await node.call("RemovePodSandbox", pod_sandbox_id=web)
    assert (await node.sh(shell, "wget -T 1 -qO- 10.244.1.2:8080/hostname"))[0] == 1


async def test_containers_of_a_pod_share_its_ports_and_loopback(node):
    sandbox = await node.run_pod(2)
    first = await node.run(sandbox, "nginx", "first")
    second = await node.run(sandbox, "nginx", "second")
    assert (await node.wait_exited(second))["exit_code"] == 1
    assert "Address already in use" in node.log(sandbox, "second")[0]
    assert (await node.sh(first, "wget -qO- localhost | grep -c Welcome"))[0] == 0
    await node.call("StopContainer", container_id=first, timeout_s=5)
    third = await node.run(sandbox, "nginx", "third")
    assert (await node.sh(third, "wget -qO- 127.0.0.1 | grep -c Welcome"))[0] == 0


async def test_an_exception_is_exit_1_with_its_traceback_and_touches_nobody(node):
    sandbox = await node.run_pod(2)
    other = await node.run(sandbox, "nginx", "other")
    broken = await node.run(sandbox, f"python://{SELF}:broken", "broken")
    assert (await node.wait_exited(broken))["exit_code"] == 1
    assert "stderr F ValueError: broken on purpose" in node.log(sandbox, "broken")
    assert (await node.status(other))["state"] == "CONTAINER_RUNNING"


async def test_python_images_get_arguments_environment_and_their_own_log(node):
    sandbox = await node.run_pod(2, "host-name")
    one = await node.run(
        sandbox, f"python://{SELF}:report", "one", args=["a"], envs=[{"key": "X", "value": "1"}]
    )
    two = await node.run(sandbox, f"python://{SELF}:leave", "two")
    assert (await node.wait_exited(one))["exit_code"] == 5
    assert (await node.wait_exited(two))["exit_code"] == 9
    assert node.log(sandbox, "one") == [
        "stdout F args=['a'] X=1 environ=1 host=host-name",
        "stderr F WARNING:report:logged",
    ]
    assert node.log(sandbox, "two") == []


async def test_an_unmodified_aiohttp_application_serves_and_fetches(node):
    server, client = await node.run_pod(2), await node.run_pod(3)
    await node.run(server, f"python://{SELF}:application", envs=[{"key": "PORT", "value": "80"}])
    got = await node.run(client, f"python://{SELF}:fetch", args=["http://10.244.1.2/"])
    assert (await node.wait_exited(got))["exit_code"] == 0
    assert node.log(client) == ["stdout F 200 hello from aiohttp to 10.244.1.3"]


async def test_a_pod_cannot_reach_the_kernels_network(node):
    sandbox = await node.run_pod(2)
    container = await node.run(sandbox, f"python://{SELF}:escape")
    assert (await node.wait_exited(container))["exit_code"] == 0
    assert node.log(sandbox) == ["stdout F 4 of 4 refused"]


async def test_unknown_images_cannot_be_pulled(node):
    for image in (
        "nosuch/image",
        "nginx:1.161",
        "registry.example.com/nginx",
        "python://no.such:x",
    ):
        with pytest.raises(RpcError, match="failed to pull") as caught:
            await node.call("PullImage", image=image)
        assert caught.value.code == "NotFound"
    with pytest.raises(RpcError, match="couldn't parse image name") as caught:
        await node.call("PullImage", image="Nginx:")
    assert caught.value.code == "InvalidArgument"
    reference = (await node.call("PullImage", image="nginx:1.25"))["image_ref"]
    assert [each["id"] for each in await node.call("ListImages")] == [reference]


async def test_a_program_that_the_image_has_not_is_a_start_error(node):
    sandbox = await node.run_pod(2)
    container = await node.create(sandbox, "pause", command=["/bin/nope"])
    with pytest.raises(RpcError, match='exec: "/bin/nope": no such file or directory'):
        await node.call("StartContainer", container_id=container)
    status = await node.status(container)
    assert (status["state"], status["exit_code"]) == ("CONTAINER_EXITED", 128)
    assert status["reason"] == "StartError"


async def test_bad_requests_name_what_is_wrong(node):
    with pytest.raises(RpcError, match=r"InvalidArgument.*\$\.config"):
        await node.call("RunPodSandbox", config={"metadata": {}})
    with pytest.raises(RpcError, match="NotFound"):
        await node.create("nope", "pause")
    sandbox = await node.run_pod(2)
    with pytest.raises(RpcError, match="AlreadyExists"):
        await node.run_pod(2)
    container = await node.run(sandbox, "pause")
    with pytest.raises(RpcError, match="FailedPrecondition"):
        await node.call("StartContainer", container_id=container)
    await node.call("StopPodSandbox", pod_sandbox_id="nope")
    await node.call("RemovePodSandbox", pod_sandbox_id="nope")
    await node.call("RemoveContainer", container_id="nope")


async def test_exec_sync_has_its_own_streams_and_a_time_out(node):
    sandbox = await node.run_pod(2)
    container = await node.run(
        sandbox, "busybox", command=["sleep", "9999"], envs=[{"key": "A", "value": "b"}]
    )
    answer = await node.call(
        "ExecSync", container_id=container, cmd=["sh", "-c", "echo $A; echo no >&2; exit 4"]
    )
    assert answer == {"exit_code": 4, "stdout": "b\n", "stderr": "no\n"}
    with pytest.raises(RpcError, match="DeadlineExceeded"):
        await node.call("ExecSync", container_id=container, cmd=["sleep", "60"], timeout_s=0.1)
    assert node.log(sandbox) == []


async def test_sigkill_of_a_pod_is_noticed_at_once(node):
    sandbox = await node.run_pod(2)
    container = await node.run(sandbox, "pause")
    os.kill(await _pid(node, sandbox), signal.SIGKILL)
    status = await node.wait_exited(container, 1)
    assert status["exit_code"] == 137
    (listed,) = await node.call("ListPodSandbox")
    assert listed["state"] == "SANDBOX_NOTREADY"
    with pytest.raises(RpcError, match="FailedPrecondition"):
        await node.create(sandbox, "pause")
    await node.call("RemovePodSandbox", pod_sandbox_id=sandbox)
    assert await node.call("ListPodSandbox") == []


async def test_containers_see_the_processes_that_they_may(node):
    sandbox = await node.run_pod(2)
    command = ["sh", "-c", "trap 'echo bye; exit 7' TERM; while true; do sleep 1; done"]
    target = await node.run(sandbox, "busybox", "target", command=command)
    alone = await node.run(sandbox, "busybox", "alone", command=["sleep", "1000"])
    options = {"pid": "TARGET", "target_id": target}
    beside = await node.run(
        sandbox, "busybox", "beside", command=["sleep", "999"], namespace_options=options
    )
    code, seen = await node.sh(alone, "ps -o pid,args")
    assert (code, seen.splitlines()[:2]) == (0, ["  PID COMMAND", "    1 sleep 1000"])
    _, seen = await node.sh(beside, "ps; pidof sleep")
    assert seen.splitlines()[0] == "  PID USER     TIME  COMMAND"
    assert seen.splitlines()[1].startswith("    1 root      0:00 sh -c trap")
    assert seen.splitlines()[2:3] == ["  101 root      0:00 sleep 999"]
    assert seen.splitlines()[-1] == "101"
    code, said = await node.sh(beside, "kill 4242")
    assert (code, said) == (1, "kill: can't kill pid 4242: No such process\n")
    assert (await node.sh(beside, "kill 1"))[0] == 0
    assert (await node.wait_exited(target))["exit_code"] == 7
    assert (await node.sh(alone, "kill -9 1"))[0] == 0
    assert (await node.status(alone))["state"] == "CONTAINER_RUNNING", "PID 1 is protected"


async def test_containers_of_a_pod_may_share_their_processes(node):
    sandbox = await node.run_pod(2)
    shared = {"namespace_options": {"pid": "POD"}}
    first = await node.run(sandbox, "busybox", "a", command=["sleep", "100"], **shared)
    second = await node.run(sandbox, "busybox", "b", command=["sleep", "200"], **shared)
    code, seen = await node.sh(second, "ps -o pid,comm,args | head -n 4; killall -0 pause")
    assert (code, [line.split() for line in seen.splitlines()[1:4]]) == (
        0,
        [["1", "pause", "/pause"], ["101", "sleep", "sleep", "100"],
         ["102", "sleep", "sleep", "200"]],
    )  # fmt: skip
    assert (await node.sh(second, "kill 101"))[0] == 0
    assert (await node.wait_exited(first))["exit_code"] == 143
    assert "sleep 100" not in (await node.sh(second, "ps"))[1]


async def test_last_words_of_a_killed_pod_are_told(node):
    sandbox = await node.run_pod(2)
    path, policy = "io.kubernetes.container.terminationMessagePath", "FallbackToLogsOnError"
    script = "echo ready; sleep 1000"
    wrote = await node.run(
        sandbox,
        "busybox",
        "wrote",
        command=["sh", "-c", f"echo out of luck > /dev/termination-log; {script}"],
        annotations={path: "/dev/termination-log"},
    )
    logged = await node.run(
        sandbox,
        "busybox",
        "logged",
        command=["sh", "-c", f"rm /dev/end; ln -s /etc/group /dev/end; {script}"],
        annotations={path: "/dev/end", f"{path.removesuffix('Path')}Policy": policy},
    )
    for name in ("wrote", "logged"):
        while not (log := node.log_path(sandbox, name)).exists() or not log.read_text():
            await asyncio.sleep(0.01)
    os.kill(await _pid(node, sandbox), signal.SIGKILL)
    assert (await node.wait_exited(wrote, 1))["message"] == "out of luck\n"
    status = await node.wait_exited(logged, 1)
    assert status["message"] == "ready\n", "its link leads nowhere among its own files"


async def test_a_killed_podruntime_finds_living_and_dead_pods_again(node):
    living, dying = await node.run_pod(2), await node.run_pod(3)
    kept = await node.run(living, "nginx")
    finished = await node.run(dying, "busybox", "done", command=["sh", "-c", "exit 3"])
    await node.wait_exited(finished)
    lost = await node.run(dying, "pause", "lost")
    pids = [await _pid(node, each) for each in (living, dying)]
    await node.kill()
    assert not _gone(pids[0]), "pods outlive their runtime"
    os.kill(pids[1], signal.SIGKILL)
    await node.start()
    states = {each["id"]: each["state"] for each in await node.call("ListPodSandbox")}
    assert states == {living: "SANDBOX_READY", dying: "SANDBOX_NOTREADY"}
    assert (await node.status(kept))["state"] == "CONTAINER_RUNNING"
    assert (await node.status(finished))["exit_code"] == 3
    assert (await node.status(lost))["exit_code"] == 137
    assert (await node.sh(kept, "wget -qO- localhost | grep -c Welcome"))[0] == 0
    os.kill(pids[0], signal.SIGKILL)
    assert (await node.wait_exited(kept, 1))["exit_code"] == 137


async def test_a_hung_pod_is_killed_when_it_is_stopped(node):
    sandbox = await node.run_pod(2)
    pid = await _pid(node, sandbox)
    container = await node.run(sandbox, f"python://{SELF}:hang")
    async with asyncio.timeout(5):
        while node.log(sandbox) != ["stdout F hanging"]:
            await asyncio.sleep(0.01)
    await node.call("StopContainer", container_id=container, timeout_s=0.1)
    assert (await node.status(container))["exit_code"] == 137
    async with asyncio.timeout(5):
        while not _gone(pid):
            await asyncio.sleep(0.01)


async def test_removal_leaves_nothing_behind(node):
    sandbox = await node.run_pod(2)
    pid = await _pid(node, sandbox)
    await node.run(sandbox, "nginx")
    await node.call("StopPodSandbox", pod_sandbox_id=sandbox)
    assert (await node.call("ListPodSandbox"))[0]["state"] == "SANDBOX_NOTREADY"
    await node.call("RemovePodSandbox", pod_sandbox_id=sandbox)
    async with asyncio.timeout(5):
        while not _gone(pid):
            await asyncio.sleep(0.01)
    assert [each.name for each in (node.directory / "pods").iterdir()] == ["ready.sock"]


async def test_many_pods_start_at_once(node):
    sandboxes = await asyncio.gather(*(node.run_pod(number) for number in range(2, 42)))
    containers = await asyncio.gather(*(node.run(each, "pause") for each in sandboxes))
    states = {each["state"] for each in await node.call("ListContainers")}
    assert (len(set(containers)), states) == (40, {"CONTAINER_RUNNING"})


async def test_a_module_that_fails_is_a_container_that_fails(node):
    sandbox = await node.run_pod(2)
    image = "python://tests.podruntime.fails_on_import:main"
    failed = await node.run(sandbox, image, "failed")
    assert (await node.wait_exited(failed))["exit_code"] == 1
    assert "stderr F RuntimeError: a broken module" in node.log(sandbox, "failed")
    for name in ("nope", "no_program"):
        absent = await node.run(sandbox, f"python://{SELF}:{name}", name)
        assert (await node.wait_exited(absent))["exit_code"] == 1
        assert "the module has no such callable" in node.log(sandbox, name)[-1]


async def test_a_port_in_use_is_told_in_the_log(node):
    sandbox = await node.run_pod(2)
    first = await node.run(sandbox, "nginx", "first")
    second = await node.run(sandbox, "nginx", "second")
    assert (await node.wait_exited(second))["exit_code"] == 1
    assert "(98: Address already in use)" in "\n".join(node.log(sandbox, "second"))
    assert (await node.status(first))["state"] == "CONTAINER_RUNNING"


async def test_probe_commands_that_the_documentation_uses(node):
    sandbox = await node.run_pod(2)
    healthy = node.directory / "healthy"
    healthy.write_text("yes\n")
    mounts = [{"container_path": "/tmp/healthy", "host_path": str(healthy), "readonly": True}]
    container = await node.run(sandbox, "nginx", mounts=mounts)
    await node.run(sandbox, "curlimages/curl", "curl", command=["sleep", "60"])
    for good in (
        "cat /tmp/healthy",
        "ls /tmp/healthy",
        "test -f /tmp/healthy",
        "wget --spider -q http://127.0.0.1/",
        "curl -f http://localhost:80/",
    ):
        assert (await node.sh(container, good))[0] == 0, good
    for bad in (
        "cat /tmp/absent",
        "ls /tmp/absent",
        "test -f /tmp/absent",
        "wget --spider -q http://127.0.0.1/absent",
        "curl -f http://127.0.0.1/absent",
        "curl -f http://127.0.0.1:81/",
    ):
        assert (await node.sh(container, bad))[0] != 0, bad
    with pytest.raises(RpcError, match='exec: "foo": executable file not found in \\$PATH'):
        await node.call("ExecSync", container_id=container, cmd=["foo"])


async def test_containers_of_a_pod_share_a_volume(node):
    """As in the documentation's configure-pod-initialization: one fills what nginx serves."""
    sandbox = await node.run_pod(2)
    script = "echo from the volume > /work-dir/index.html"
    (node.directory / "workdir").mkdir()
    volume = {"host_path": str(node.directory / "workdir")}
    mounts = [{"container_path": "/work-dir", **volume}]
    first = await node.run(sandbox, "busybox", "install", args=["sh", "-c", script], mounts=mounts)
    assert (await node.wait_exited(first))["exit_code"] == 0
    mounts = [{"container_path": "/usr/share/nginx/html", **volume}]
    web = await node.run(sandbox, "nginx", "nginx", mounts=mounts)
    assert await node.sh(web, "wget -qO- http://localhost/") == (0, "from the volume\n")


@pytest.mark.parametrize("families", ["4", "46", "6"])
async def test_containers_meet_at_both_loopback_addresses(node, families):
    sandbox = await node.run_pod(2, families=families)
    await node.run(sandbox, f"python://{SELF}:local", "web")
    other = await node.run(sandbox, "busybox", "other", args=["sleep", "60"])
    for host in ("127.0.0.1", "[::1]", "localhost"):
        assert await node.sh(other, f"wget -qO- http://{host}/") == (0, "local"), host
    status, said = await node.sh(other, "nc -l -p 80")
    assert status != 0
    assert "address already in use" in said


async def test_names_of_the_kubelets_hosts_file_are_found(node):
    sandbox = await node.run_pod(2, hosts="127.0.0.1\tlocalhost\n127.0.0.1\tfoo.local\tbar.local\n")
    await node.run(sandbox, f"python://{SELF}:local", "web")
    other = await node.run(sandbox, "busybox", "other", args=["sleep", "60"])
    assert await node.sh(other, "wget -qO- http://bar.local/; tail -1 /etc/hosts") == (
        0,
        "local127.0.0.1\tfoo.local\tbar.local\n",
    )


@pytest.mark.parametrize("families", ["46", "6"])
async def test_pods_of_ipv6_serve_and_find_each_other(node, families):
    server = await node.run_pod(2, "server", families=families)
    await node.run(server, "agnhost", args=["netexec"])
    client = await node.run(
        await node.run_pod(3, "client", families=families), "busybox", args=["sleep", "3600"]
    )
    ours = {"6": "[fd00::3]", "4": "10.244.1.3"}
    for family, address in (("6", "[fd00::2]"), ("4", "10.244.1.2")):
        if family not in families:
            continue
        shown = address.strip("[]")
        _, out = await node.sh(client, f"ping -c1 -W2 {shown}; wget -qO- {address}:8080/clientip")
        assert "1 packets received" in out
        assert f"{ours[family]}:" in out
        dial = f"/dial?host={shown}&port=8081&protocol=udp&request=clientip"
        _, out = await node.sh(client, f"wget -qO- '{address}:8080{dial}'")
        assert shown in out, "the server heard itself by UDP, by the family it was asked by"
    _, out = await node.sh(client, "cat /etc/hosts; ip addr; ip -6 route")
    assert "::1\tlocalhost" in out
    assert "fd00::3\tclient" in out
    assert ("10.244.1.3\tclient" in out) is ("4" in families)
    assert "default via fd00::ff" in out
    _, out = await node.sh(client, "nc -l -p 9 & sleep 0.05; echo v4 | nc -w2 127.0.0.1 9")
    assert out == "v4\n", "IPv4's loopback is there in every pod"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["-c", "import os, sys\nsys.exit(int(os.environ['CODE']))"], 3, []),
        (["-c", "print(6 * 7)"], 0, ["stdout F 42"]),
        (["-c", "def"], 1, ["stderr F SyntaxError: invalid syntax (<string>, line 1)"]),
        (["/absent.py"], 2, None),
        (["-m", "http.server"], 2, None),
    ],
)
async def test_pythons_image_runs_code(node, words, status, said):
    sandbox = await node.run_pod(2)
    envs = [{"key": "CODE", "value": "3"}]
    container = await node.run(sandbox, "python:3", command=["python3", *words], envs=envs)
    ended = await node.wait_exited(container)
    assert ended["exit_code"] == status
    assert said is None or node.log(sandbox) == said


async def test_stats_tell_how_many_requests_a_server_has_answered(node):
    sandbox = await node.run_pod(2)
    web = await node.run(sandbox, "nginx", "web")
    client = await node.run(sandbox, "busybox", "client", command=["sleep", "60"])
    async with asyncio.timeout(20):
        while (await node.sh(client, "wget -qO- 127.0.0.1"))[0]:
            await asyncio.sleep(0.02)
    assert (await node.sh(client, "wget -qO- 127.0.0.1/nothing-here"))[0] == 1
    assert (await node.sh(client, "wget -qO- 127.0.0.1/index.html"))[0] == 0
    (pod,) = await node.call("ListPodSandboxStats", containers=True)
    counts = {each["id"]: each["requests"] for each in pod["containers"]}
    assert counts.pop(web) == 3
    assert list(counts.values()) == [None]


async def test_stats_tell_who_of_a_pod_used_the_cpu(node):
    sandbox = await node.run_pod(2)
    busy = await node.run(sandbox, f"python://{SELF}:burn", "busy", args=["0.5"])
    idle = await node.run(sandbox, "registry.k8s.io/pause:3.10", "idle")
    async with asyncio.timeout(20):
        while "stdout F burnt" not in node.log(sandbox, "busy"):
            await asyncio.sleep(0.02)
    (pod,) = await node.call("ListPodSandboxStats", containers=True)
    used = {each["id"]: each for each in pod["containers"]}
    assert pod["pod_sandbox_id"] == sandbox
    assert pod["cpu_ns"] >= 400_000_000
    assert used[busy]["cpu_ns"] > 5 * used[idle]["cpu_ns"]
    assert used[busy]["cpu_ns"] + used[idle]["cpu_ns"] <= pod["cpu_ns"]
    assert used[busy]["memory_octets"] == used[idle]["memory_octets"]

    await node.call("StopContainer", container_id=busy, timeout_s=0)
    (pod,) = await node.call("ListPodSandboxStats", containers=True)
    assert [each["id"] for each in pod["containers"]] == [idle]
    os.kill(await _pid(node, sandbox), signal.SIGSTOP)
    try:
        assert await node.call("ListPodSandboxStats", containers=True) == []
    finally:
        os.kill(await _pid(node, sandbox), signal.SIGCONT)
