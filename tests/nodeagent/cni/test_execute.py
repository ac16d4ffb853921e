"""Programs that answer, and programs that do not as they should."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import psutil
import pytest
import uvloop
from cni_node import bridge, invocation

from nodeagent.cni.errors import CniError, Code, PluginNotFoundError
from nodeagent.cni.execute import Executor

PATIENCE_S = 20.0


def write(directory: Path, script: str, name: str = "plugin") -> None:
    program = directory / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def run(directory: Path, script: str, timeout_s: float = PATIENCE_S, runner=asyncio.run):
    write(directory, script)
    call = invocation("ADD", bridge("10.0.0.0/24"), "pod", str(directory))
    return runner(Executor(timeout_s).call("plugin", call))


def failure(directory: Path, script: str, timeout_s: float = PATIENCE_S) -> CniError:
    with pytest.raises(CniError) as raised:
        run(directory, script, timeout_s)
    return raised.value


def test_a_program_is_told_what_the_protocol_says(tmp_path):
    run(tmp_path, 'cat > "$0.stdin"; env | grep ^CNI_ | sort > "$0.env"; echo "{}"')
    assert json.loads((tmp_path / "plugin.stdin").read_text()) == bridge("10.0.0.0/24")
    assert (tmp_path / "plugin.env").read_text().splitlines() == [
        "CNI_ARGS=",
        "CNI_COMMAND=ADD",
        "CNI_CONTAINERID=pod",
        "CNI_IFNAME=eth0",
        "CNI_NETNS=/run/netns/pod",
        f"CNI_PATH={tmp_path}",
    ]


def test_what_it_prints_is_its_result(tmp_path):
    assert run(tmp_path, """echo '{"cniVersion": "1.1.0"}'""") == {"cniVersion": "1.1.0"}
    assert run(tmp_path, "true") is None
    assert run(tmp_path, "exec 0<&-; echo '{}'") == {}


def test_its_error_is_passed_on(tmp_path):
    error = failure(tmp_path, """echo '{"code": 11, "msg": "busy", "details": "wait"}'; exit 1""")
    assert (error.code, str(error)) == (Code.TRY_AGAIN_LATER, "busy; wait")


@pytest.mark.parametrize(
    ("script", "code", "text"),
    [
        ("exit 3", 999, "netplugin failed with no error message: exit status 3"),
        ("echo sorry >&2; exit 1", 999, 'netplugin failed: "sorry"'),
        ("echo sorry; exit 1", 999, "netplugin failed but error parsing its diagnostic message"),
        ("printf '\\377{'; exit 1", 999, "netplugin failed but error parsing its diagnostic"),
        ("kill -9 $$", 999, "netplugin failed with no error message: signal 9"),
        ("echo garbage", 6, "the plugin printed no result but b?'garbage"),
        ("echo '[1]'", 6, "the plugin printed no result but"),
        ("printf '\\377'", 6, "the plugin printed no result but"),
        ("head -c 100000 /dev/zero | tr '\\0' '['", 6, "the plugin printed no result but"),
    ],
    ids=[
        "silent", "on-stderr", "words-of-failure", "octets-of-failure", "killed",
        "words", "list", "octets", "nested",
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_an_error_that_says_so(tmp_path, script, code, text):
    error = failure(tmp_path, script)
    assert error.code == code
    assert text.replace("b?", "") in str(error)


def test_who_hangs_is_killed_with_its_children(tmp_path):
    script = 'sh -c "echo \\$\\$ > $0.child; sleep 600" & wait'
    error = failure(tmp_path, script, timeout_s=0.5)
    assert str(error) == "netplugin took more than 0.5 s and was killed"
    assert_gone(int((tmp_path / "plugin.child").read_text()))


def assert_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


RUNNERS = pytest.mark.parametrize("runner", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


@RUNNERS
def test_who_prints_without_end_is_killed(tmp_path, runner):
    write(tmp_path, 'echo $$ > "$0.pid"; yes | tee /dev/null')
    call = invocation("ADD", bridge("10.0.0.0/24"), "pod", str(tmp_path))
    with pytest.raises(CniError, match="printed more than 1048576 octets and was killed"):
        runner(Executor(PATIENCE_S).call("plugin", call))
    assert_gone(int((tmp_path / "plugin.pid").read_text()))


def test_long_complaints_are_cut(tmp_path):
    error = failure(tmp_path, "head -c 100000 /dev/zero | tr '\\0' e >&2; exit 1")
    assert len(str(error)) < 5000


def test_a_program_that_reads_nothing_may_answer(tmp_path):
    call = invocation("ADD", {**bridge("10.0.0.0/24"), "x": "y" * 500_000}, "p", str(tmp_path))
    write(tmp_path, "echo '{}'")
    assert asyncio.run(Executor(PATIENCE_S).call("plugin", call)) == {}


def test_the_first_directory_that_has_it_wins(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    write(tmp_path / "two", "echo '{}'")
    (tmp_path / "one" / "plugin").write_text("not a program")
    path = f"{tmp_path}/one:{tmp_path}/two"
    call = invocation("ADD", bridge("10.0.0.0/24"), "pod", path)
    assert asyncio.run(Executor(PATIENCE_S).call("plugin", call)) == {}


@pytest.mark.parametrize("name", ["no-such", "..", "a/b", ""])
def test_what_is_not_there_is_named(tmp_path, name):
    call = invocation("ADD", bridge("10.0.0.0/24"), "pod", str(tmp_path))
    with pytest.raises(CniError, match="plugin") as refused:
        asyncio.run(Executor(PATIENCE_S).call(name, call))
    assert isinstance(refused.value, PluginNotFoundError) == (name == "no-such")


def test_what_cannot_be_run_is_an_error(tmp_path):
    (tmp_path / "plugin").write_bytes(b"\x7fELF nonsense")
    (tmp_path / "plugin").chmod(0o755)
    call = invocation("ADD", bridge("10.0.0.0/24"), "pod", str(tmp_path))
    with pytest.raises(CniError, match="cannot run"):
        asyncio.run(Executor(PATIENCE_S).call("plugin", call))


@RUNNERS
def test_a_call_that_is_given_up_leaves_no_program(tmp_path, runner):
    write(tmp_path, 'echo $$ > "$0.new"; mv "$0.new" "$0.pid"; sleep 600')
    call = invocation("ADD", bridge("10.0.0.0/24"), "pod", str(tmp_path))

    async def give_up() -> None:
        asking = asyncio.ensure_future(Executor(PATIENCE_S).call("plugin", call))  # noqa: TID251
        async with asyncio.timeout(PATIENCE_S):
            while not os.path.exists(tmp_path / "plugin.pid"):
                await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        pid = int((tmp_path / "plugin.pid").read_text())
        async with asyncio.timeout(PATIENCE_S):  # A loop is not closed before it has let go of it.
            while os.path.exists(f"/proc/{pid}"):
                await asyncio.sleep(0.01)

    runner(give_up())
    assert_gone(int((tmp_path / "plugin.pid").read_text()))
