"""The warm process: forks, groups, exits, and life after its owner.

A fork must happen before there is an event loop, so each test runs a small program.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

PRELUDE = """
import asyncio, os, signal, sys, time
from pathlib import Path
from componentbase.zygote import Zygote

def greet(argv):
    print("greetings", *argv, flush=True)
    return 3

def fail(argv):
    raise RuntimeError("entry failed")

def leave(argv):
    raise SystemExit("gone for a reason")

def stay(argv):
    signal.pause()
    return 0

zygote = Zygote({"greet": greet, "fail": fail, "leave": leave, "stay": stay}, title="test zygote")
exits = asyncio.Queue()
lost = []

async def end_of(pid):
    while True:
        ended, status = await asyncio.wait_for(exits.get(), 10)
        if ended == pid:
            return status

def attach():
    zygote.attach(lambda pid, status: exits.put_nowait((pid, status)), lambda: lost.append(1))
"""


def run(program: str, *argv: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(program), *argv],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_entry_runs_in_a_fork_and_its_exit_status_is_reported(tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(
        """
        async def main():
            attach()
            pid = await zygote.fork("greet", ["you"], output=Path(sys.argv[1]))
            assert await end_of(pid) == 3
            assert await end_of(await zygote.fork("fail", [], output=Path(sys.argv[1]))) == 1
            assert await end_of(await zygote.fork("leave", [], output=Path(sys.argv[1]))) == 1
            zygote.close()
        asyncio.run(main())
        """,
        str(output),
    )
    text = output.read_text()
    assert text.startswith("greetings you\n")
    assert "entry failed" in text
    assert "gone for a reason\n" in text
    assert output.stat().st_mode & 0o777 == 0o600


def test_a_group_is_made_joined_and_killed_as_one() -> None:
    run(
        """
        async def main():
            attach()
            first = await zygote.fork("stay", [], group=0)
            second = await zygote.fork("stay", [], group=first)
            assert os.getpgid(first) == os.getpgid(second) == first != os.getpgid(0)
            os.killpg(first, signal.SIGKILL)
            assert {await end_of(first)} == {-9}
            zygote.close()
        asyncio.run(main())
        """
    )


def test_many_forks_at_once_get_their_own_pids() -> None:
    run(
        """
        async def main():
            attach()
            null = Path(os.devnull)
            pids = await asyncio.gather(*(zygote.fork("greet", [], output=null) for _ in range(50)))
            assert len(set(pids)) == 50
            ended = {(await asyncio.wait_for(exits.get(), 10))[0] for _ in range(50)}
            assert ended == set(pids)
            zygote.close()
        asyncio.run(main())
        """
    )


def test_a_killed_zygote_is_noticed_and_waiting_forks_fail() -> None:
    run(
        """
        async def main():
            attach()
            os.kill(zygote.pid, signal.SIGSTOP)
            waiting = asyncio.get_running_loop().create_task(zygote.fork("stay", []))
            await asyncio.sleep(0)
            os.kill(zygote.pid, signal.SIGKILL)
            try:
                await asyncio.wait_for(waiting, 10)
            except ConnectionResetError:
                pass
            else:
                raise AssertionError("the fork was answered")
            assert lost == [1]
        asyncio.run(main())
        """
    )


def test_the_zygote_ends_with_its_owner_and_its_children_live_on() -> None:
    output = run(
        """
        async def main():
            attach()
            child = await zygote.fork("stay", [], output=Path(os.devnull))
            print(zygote.pid, child, flush=True)
            os._exit(0)
        asyncio.run(main())
        """
    )
    zygote, child = (int(pid) for pid in output.split())
    os.kill(child, 0)
    os.kill(child, 9)
    assert _gone(zygote)


def _gone(pid: int) -> bool:
    descriptor = None
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    import select

    readable, _, _ = select.select([descriptor], [], [], 10)
    os.close(descriptor)
    return bool(readable)


def test_the_zygote_prepares_once_and_keeps_no_descriptor_of_its_owner(tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(
        """
        held = open(sys.argv[1])
        def prepare():
            os.environ["PREPARED"] = str(int(os.environ.get("PREPARED", "0")) + 1)
        def look(argv):
            names = [os.readlink(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd")
                     if os.path.exists(f"/proc/self/fd/{each}")]
            print(os.environ["PREPARED"], sys.argv[1] in names, flush=True)
            return 0
        prepared = Zygote({"look": look}, title="prepared", prepare=prepare)
        async def main():
            prepared.attach(lambda pid, status: exits.put_nowait((pid, status)), lambda: None)
            for _ in range(2):
                pid = await prepared.fork("look", [], output=Path(sys.argv[2]))
                assert await end_of(pid) == 0
            prepared.close()
        asyncio.run(main())
        """,
        str(_file(tmp_path)),
        str(output),
    )
    assert output.read_text() == "1 False\n1 False\n"


def _file(directory: Path) -> Path:
    path = directory / "held"
    path.touch()
    return path


def test_a_zygote_in_a_fresh_interpreter_forks_and_keeps_what_it_is_told(tmp_path: Path) -> None:
    module = tmp_path / "fresh_zygote.py"
    module.write_text(
        "import sys\n"
        "from componentbase.zygote import serve_inherited\n"
        "def greet(argv):\n"
        "    import os\n"
        "    os.write(int(argv[0]), b'kept')\n"
        "    return 7\n"
        "sys.exit(serve_inherited(int(sys.argv[1]), {'greet': greet}, title='fresh zygote'))\n"
    )
    run(
        """
        sys.path.insert(0, sys.argv[1])
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
        async def main():
            read, write = os.pipe()
            made = Zygote.spawn("fresh_zygote", keep=[write])
            made.attach(lambda pid, status: exits.put_nowait((pid, status)), lambda: None)
            pid = await made.fork("greet", [str(write)])
            assert await end_of(pid) == 7
            assert os.read(read, 10) == b"kept"
            made.close()
        asyncio.run(main())
        """,
        str(tmp_path),
    )


def test_a_child_whose_owner_never_heard_of_it_does_not_begin(tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(
        """
        async def main():
            attach()
            asyncio.get_running_loop().create_task(
                zygote.fork("greet", ["nobody"], output=Path(sys.argv[1]))
            )
            os.kill(zygote.pid, signal.SIGSTOP)
            await asyncio.sleep(0)  # The request is sent ...
            zygote.close()  # ... and its owner is gone before it is read.
            os.kill(zygote.pid, signal.SIGCONT)
            await asyncio.to_thread(os.waitpid, zygote.pid, 0)
            os._exit(0)
        asyncio.run(main())
        """,
        str(output),
    )
    assert not output.exists()


def test_a_group_that_died_is_not_joined_by_mistake(tmp_path: Path) -> None:
    run(
        """
        async def main():
            attach()
            first = await zygote.fork("stay", [], group=0)
            os.killpg(first, signal.SIGKILL)
            await end_of(first)
            late = await zygote.fork("stay", [], group=first)
            assert await end_of(late) == 1
            zygote.close()
        asyncio.run(main())
        """
    )


def test_a_child_ends_by_sigterm_and_heeds_sigint_only_if_it_wants_to() -> None:
    run(
        """
        async def main():
            attach()
            pid = await zygote.fork("stay", [])
            os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGTERM)
            assert await end_of(pid) == -signal.SIGTERM
        asyncio.run(main())
        """
    )
