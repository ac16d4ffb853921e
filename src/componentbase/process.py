"""How each of our processes begins and ends.

A process is `main(argv) -> exit status` with one argument, the path of its configuration (JSON
of a msgspec Struct). SIGTERM and SIGINT cancel the main coroutine; a clean end is exit status 0.
Nothing may rely on a clean end: SIGKILL is a normal way to go.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib.util
import logging
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import setproctitle

from componentbase import logs, memory
from componentbase.decoding import UNREADABLE
from componentbase.tasks import guarded

log = logging.getLogger(__name__)
ConfigT = TypeVar("ConfigT", bound=msgspec.Struct)
#: As many files as a process of ours ever asks for; some systems' hard limit is a billion.
_FILES_MAX: Final = 1 << 20


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's event loop where it is installed, asyncio's otherwise."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    from componentbase.event_loop import Loop

    return Loop()


def load_config(kind: type[ConfigT], path: Path) -> ConfigT:
    """Read a configuration file; raises SystemExit with one clear line when it is not valid."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise SystemExit(f"{path}: {error.strerror}") from None
    except UNREADABLE as error:
        raise SystemExit(f"{path}: {error}") from None


def run(
    name: str,
    log_file: Path | None,
    main: Callable[[], Awaitable[None]],
    *,
    make_loop: Callable[[], asyncio.AbstractEventLoop] = new_event_loop,
) -> int:
    """Run *main* as the process *name* until it ends or a signal asks for the end."""
    setproctitle.setproctitle(f"podwire: {name}")
    logs.configure(name, log_file)
    allow_many_files()
    # What was imported before is never garbage: keep the collector, and copy-on-write, off it.
    gc.freeze()
    gc.set_threshold(*memory.COLLECTOR_THRESHOLDS)
    loop = make_loop()
    asyncio.set_event_loop(loop)
    task: asyncio.Task[Any] = loop.create_task(_run_logged(name, main))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        loop.run_until_complete(task)
    except asyncio.CancelledError:
        return 0
    finally:
        loop.close()
    return 0


def allow_many_files() -> None:
    """Raise the soft limit of open files, often 1,024, to the hard one: connections are files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, _FILES_MAX)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        log.warning("the limit of open files stays at %s", soft)


async def _run_logged(name: str, main: Callable[[], Awaitable[None]]) -> None:
    """Run *main*; a bug is in the log, what the system refused is one line for a person, too."""

    async def attempt() -> None:
        try:
            await main()
        except OSError as error:
            log.error("%s", error)
            print(f"{name}: {error}", file=sys.stderr)
            raise SystemExit(1) from None

    log.info("started")
    try:
        if not await guarded(name, attempt):
            raise SystemExit(1)
    except asyncio.CancelledError:
        log.info("stopping")
        raise


def become_subreaper() -> None:
    """Adopt the orphans among this process's descendants (Linux; elsewhere they go to init)."""
    pr_set_child_subreaper = 36
    try:
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)
    except (OSError, AttributeError):
        log.warning("this system has no subreaper; orphans go to init")
