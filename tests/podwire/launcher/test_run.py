"""The launcher's actions, on processes that do nothing but live: kill, start, pause, resume.

Each test is a small program, since the zygote is forked before there is an event loop.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PRELUDE = """
import asyncio, json, os, signal, sys
from componentbase import journal, process, rpc
from componentbase.tasks import Tasks
from componentbase.zygote import Zygote
from podwire.cluster.layout import Cluster, Layout, UsageError
from podwire.launcher import client
from podwire.launcher.entries import ENTRIES
from podwire.launcher.run import Launcher

def stay(argv):
    signal.pause()
    return 0

paths = Layout.of("lab")
paths.make_directories()
cluster = Cluster(name="lab", nodes=1, block=57)
paths.write_cluster(cluster)
process.become_subreaper()
entries = {role: stay for role in ENTRIES}
zygote = Zygote(entries, title="test zygote")

async def rows():
    answer = await client.call_async(paths, "status")
    return {row["name"]: row for row in answer["processes"]}

async def act(method, action, name):
    return await client.call_async(paths, method, {"action": action, "name": name})

async def refused(method, action, name):
    try:
        await act(method, action, name)
    except UsageError as error:
        return str(error)
    raise AssertionError(f"{action} {name} was done")

async def until(condition):
    async with asyncio.timeout(20):
        while not condition(await rows()):
            await asyncio.sleep(0.01)

def all_run(found):
    return all(row["state"] == "running" for row in found.values())

def lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

async def supervised(test):
    launcher = Launcher(cluster, paths, zygote, lambda: Zygote(entries, title="another zygote"))
    tasks = Tasks()
    tasks.spawn(launcher.run(), name="launcher")
    while not paths.launcher_socket.exists():
        await asyncio.sleep(0.01)
    await until(all_run)
    try:
        await test()
    finally:
        for row in (await rows()).values():
            if row["pid"]:
                os.kill(row["pid"], signal.SIGKILL)
        await tasks.close()
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))

    def run(program: str) -> None:
        program = PRELUDE + textwrap.dedent(program) + "\nasyncio.run(supervised(test))\n"
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr

    return run


def test_a_node_is_killed_as_one_and_started_at_once(run) -> None:
    run(
        """
        async def test():
            before = await rows()
            ours = [row["pid"] for row in before.values() if row["node"]]
            assert len({os.getpgid(pid) for pid in ours}) == 1
            assert await act("node", "kill", "node-1") == "node-1"
            assert not any(lives(pid) for pid in ours)
            assert {r["state"] for r in (await rows()).values() if r["node"]} == {"killed"}
            assert "already dead" in await refused("node", "kill", "node-1")
            await act("node", "start", "node-1")
            await until(all_run)
            after = await rows()
            assert after["apiserver"]["pid"] == before["apiserver"]["pid"]
            assert len({os.getpgid(r["pid"]) for r in after.values() if r["node"]}) == 1
            assert "is running" in await refused("node", "start", "node-1")
            notes = [(n.what, n.subject) for n in journal.read(paths.journal("x").parent)]
            assert ("killed", "node-1") in notes and ("start", "node-1") in notes
        """
    )


def test_a_process_is_restarted_unless_a_person_killed_it(run) -> None:
    run(
        """
        async def test():
            first = (await rows())["scheduler"]
            os.kill(first["pid"], signal.SIGKILL)
            await until(lambda found: found["scheduler"]["restarts"] == 1 and all_run(found))
            await act("process", "kill", "node-1/datapath")
            assert (await rows())["node-1/datapath"]["state"] == "killed"
            await act("node", "start", "node-1")  # Starts what of the node is dead.
            await until(all_run)
            events = await client.call_async(paths, "events")
            seen = [(event["what"], event["subject"]) for event in events]
            for event in (
                ("died", "scheduler"), ("restarted", "scheduler"), ("killed", "node-1/datapath"),
            ):
                assert event in seen, seen
        """
    )


def test_pause_and_resume_reach_every_process_of_a_node(run) -> None:
    run(
        """
        import psutil
        def status(pid):
            return psutil.Process(pid).status()
        async def test():
            found = await rows()
            pids = [row["pid"] for row in found.values() if row["node"]]
            await act("node", "pause", "node-1")
            assert {r["state"] for r in (await rows()).values() if r["node"]} == {"paused"}
            # A signal is on its way for a moment.
            await until(lambda _: {status(pid) for pid in pids} == {psutil.STATUS_STOPPED})
            assert "is paused already" in await refused("node", "pause", "node-1")
            assert "is paused: resume it" in await refused("node", "start", "node-1")
            await act("node", "resume", "node-1")
            await until(lambda _: psutil.STATUS_STOPPED not in {status(pid) for pid in pids})
            assert "is not paused" in await refused("node", "resume", "node-1")
            await act("process", "kill", "scheduler")
            for action in ("pause", "resume"):
                assert "is not running" in await refused("process", action, "scheduler")
            assert "already dead" in await refused("process", "kill", "scheduler")
            await act("process", "start", "scheduler")
            await until(all_run)
            assert all_run(await rows())
            await until(lambda _: psutil.STATUS_STOPPED not in {status(pid) for pid in pids})
        """
    )


def test_what_is_not_there_is_named(run) -> None:
    run(
        """
        async def test():
            assert "no node 'node-9'; there are node-1" in await refused("node", "kill", "node-9")
            assert "no node 'pod'" in await refused("node", "kill", "pod")
            assert "no process 'node-1/pod/a/b'; there are node-1/podruntime" in (
                await refused("process", "kill", "node-1/pod/a/b")
            )
            assert "no process 'x'; there are apiserver" in await refused("process", "kill", "x")
            assert "no action dance" in await refused("process", "dance", "scheduler")
            assert "no method" in await refused("frobnicate", "", "")
        """
    )


def test_the_end_of_a_zygote_ends_nothing_and_its_children_are_still_watched(run) -> None:
    run(
        """
        async def test():
            before = await rows()
            os.kill(zygote.pid, signal.SIGKILL)
            os.kill(before["scheduler"]["pid"], signal.SIGKILL)
            await until(lambda found: found["scheduler"]["restarts"] == 1 and all_run(found))
            after = await rows()
            del before["scheduler"]
            assert all(after[name]["pid"] == row["pid"] for name, row in before.items())
            os.kill(before["apiserver"]["pid"], signal.SIGKILL)
            await until(lambda found: found["apiserver"]["restarts"] == 1 and all_run(found))
        """
    )


def test_nodes_join_with_the_lowest_number_and_leave_nothing(run) -> None:
    run(
        """
        from podwire.cluster import make
        async def call(method, **params):
            return await client.call_async(paths, method, params)
        async def no(method, **params):
            try:
                await call(method, **params)
            except UsageError as error:
                return str(error)
            raise AssertionError(f"{method} was done")
        async def test():
            make.make(cluster, paths)
            assert await call("node_add", count=2) == ["node-2", "node-3"]
            await until(lambda found: "node-3/nodeagent" in found and all_run(found))
            assert paths.read_cluster().nodes == 3
            assert "room for 246 more" in await no("node_add", count=247)
            pids = [r["pid"] for r in (await rows()).values() if r["node"] == "node-2"]
            assert await call("node_remove", name="node-2") == "node-2"
            assert not any(lives(pid) for pid in pids)
            assert paths.read_cluster().nodes == (1, 3)
            gone = [paths.certificate("node-2"), paths.private_key("node-2"), paths.node("node-2"),
                    paths.component_kubeconfig("node-2"), paths.config("node-2.datapath")]
            assert not [path for path in gone if path.exists()]
            fabric = json.loads(paths.config("fabric").read_text())
            doors = {door["host"] for door in fabric["doors"]}
            assert doors == {"control-plane-1", "node-1", "node-3"}
            assert "no node node-2" in await no("node_remove", name="node-2")
            assert await call("node_add", count=1) == ["node-2"]
            await until(lambda found: "node-2/nodeagent" in found and all_run(found))
            for name in ("node-1", "node-3"):
                await call("node_remove", name=name)
            assert "the last node" in await no("node_remove", name="node-2")
            events = [(event["what"], event["subject"]) for event in await call("events")]
            assert ("added", "node-3") in events and ("removed", "node-1") in events
        """
    )


def test_faults_are_kept_told_and_refused(run) -> None:
    run(
        """
        async def call(method, **params):
            return await client.call_async(paths, method, params)
        async def no(method, **params):
            try:
                await call(method, **params)
            except UsageError as error:
                return str(error)
            raise AssertionError(f"{method} was done")
        async def test():
            told = []
            async def listed(connection, params):
                return []
            async def replaced(connection, params):
                told.append(params["entries"])
            control = rpc.Server(
                paths.control_socket("fabric"),
                {"configure": listed, "impairments_replace": replaced, "impairments_list": listed},
            )
            (paths.config("fabric")).write_text('{"hosts": {}, "doors": [], "balancers": []}')
            await control.start()
            rule = {"from": "node-1", "to": "control-plane-1", "loss": 1.0}
            assert (await call("fault_set", rules=[rule]))["unheard"] == []
            assert [entry["loss"] for entry in told[-1]] == [1.0]
            (listing,) = await call("fault_list")
            assert listing["from"] == "node-1" and paths.faults_file.exists()
            await act("process", "kill", "fabric")
            await act("process", "start", "fabric")
            async with asyncio.timeout(20):
                while len(told) < 2:
                    await asyncio.sleep(0.01)
            assert (await call("fault_heal"))["healed"] == 1
            assert told[-1] == [] and not paths.faults_file.exists()
            assert "no host" in await no("fault_set", rules=[rule | {"to": "etcd-1"}])
            assert "itself" in await no("fault_set", rules=[rule | {"to": "node-1"}])
            await act("process", "kill", "apiserver")
            answer = await call("api_fault_set", entry={"status": 500})
            assert answer == {"id": "1", "unheard": ["apiserver"]}
            ((fault),) = await call("api_fault_list")
            assert fault["hits"] is None
            assert "no API fault 9" in await no("api_fault_heal", id="9")
            assert (await call("api_fault_heal", id="1"))["healed"] == 1
            await control.close()
        """
    )
