"""The launcher's zygote dies or hangs: the next one forks.

Each test is a small program, since a zygote is forked before there is an event loop.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

PRELUDE = """
import asyncio, os, signal, sys
from pathlib import Path
from componentbase import process
from componentbase.zygote import Zygote, serve_inherited
from podwire.launcher.forker import Forker

def stay(argv):
    signal.pause()
    return 0

ENTRIES = {"stay": stay}
if __name__ == "__main__" and len(sys.argv) == 2:
    sys.exit(serve_inherited(int(sys.argv[1]), ENTRIES, title="second zygote"))

NULL = Path(os.devnull)
process.become_subreaper()
first = Zygote(ENTRIES, title="first zygote")
exits, lost, spawned = [], [], []

def respawn():
    made = Zygote(ENTRIES, title="another zygote")
    spawned.append(made.pid)
    return made

def forker():
    return Forker(
        first, respawn,
        on_exit=lambda pid, status: exits.append((pid, status)), on_lost=lambda: lost.append(1),
    )

async def fork(made, timeout_s=10):
    return await made.fork("stay", [], group=None, output=NULL, timeout_s=timeout_s)

async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)
"""


def run(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(program)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_killed_zygote_is_replaced_and_its_children_live_on() -> None:
    run(
        """
        async def main():
            made = forker()
            one = await fork(made)
            os.kill(made.pid, signal.SIGKILL)
            two = await fork(made)  # The death was not even noticed yet.
            assert lost == [1] and len(spawned) == 1
            for pid in (one, two):
                os.kill(pid, 0)
            os.kill(two, signal.SIGKILL)
            await until(lambda: exits == [(two, -signal.SIGKILL)])
            os.kill(one, signal.SIGKILL)
            assert os.waitpid(one, 0)[0] == one  # Its zygote is dead: it is the subreaper's now.
        asyncio.run(main())
        """
    )


def test_a_frozen_zygote_is_killed_and_replaced() -> None:
    run(
        """
        async def main():
            made = forker()
            os.kill(first.pid, signal.SIGSTOP)
            pid = await fork(made, timeout_s=0.2)
            assert lost == [1] and made.pid != first.pid
            os.kill(pid, signal.SIGKILL)
            await until(lambda: len(exits) == 1)
        asyncio.run(main())
        """
    )


def test_zygotes_that_die_at_once_are_tried_again_and_again() -> None:
    run(
        """
        real = respawn
        def respawn():
            made = real()
            if len(spawned) < 3:
                os.kill(made.pid, signal.SIGKILL)
            return made

        async def main():
            made = forker()
            os.kill(first.pid, signal.SIGKILL)
            pid = await fork(made)
            assert len(spawned) == 3 and len(lost) == 3
            os.kill(pid, signal.SIGKILL)
        asyncio.run(main())
        """
    )


def test_a_zygote_that_cannot_be_started_is_tried_again() -> None:
    run(
        """
        from podwire.launcher import forker as module
        module._RESPAWN_MAX_S = 0.1
        real, failures = respawn, [OSError(12, "Cannot allocate memory")]
        def respawn():
            if failures:
                raise failures.pop()
            return real()

        async def main():
            made = forker()
            os.kill(first.pid, signal.SIGKILL)
            os.kill(await fork(made), signal.SIGKILL)
            assert not failures
        asyncio.run(main())
        """
    )
