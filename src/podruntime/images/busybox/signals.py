"""Applets that send signals, or look for whom: kill, killall, pkill, pgrep.

Whom they can reach is in `process_table`: PID 1, which a preStop hook means, and what else runs in
the container, its pod or its target. What a shell has started is known to that shell alone.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Sequence
from typing import Final

from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import BadUsage
from podruntime.images.process import Process, Program
from podruntime.images.process_table import INIT, Task

#: Not sent: only asks whether the process is there.
_PROBE: Final = 0


def number_of(text: str) -> int:
    """Return a signal by its number or name, with or without SIG; raises BadUsage."""
    name = text.upper().removeprefix("SIG")
    if name.isdecimal() and int(name) in (_PROBE, *signal.valid_signals()):
        return int(name)
    try:
        return signal.Signals[f"SIG{name}"].value
    except KeyError:
        raise BadUsage(f"bad signal name '{text}'") from None


def split(words: Sequence[str]) -> tuple[int, list[str]]:
    """Return the signal that *words* ask for, and to whom; raises BadUsage."""
    rest, number = list(words), int(signal.SIGTERM)
    if rest and rest[0] == "-s":
        if len(rest) == 1:
            raise BadUsage("option requires an argument -- 's'")
        number, rest = number_of(rest[1]), rest[2:]
    elif rest and rest[0].startswith("-") and rest[0] != "--":
        number, rest = number_of(rest[0][1:]), rest[1:]
    if rest[:1] == ["--"]:
        rest = rest[1:]
    if not rest:
        raise BadUsage("you need to specify whom to kill")
    return number, rest


def _reached(process: Process) -> Iterator[tuple[int, Task]]:
    """Return whom *process* can signal."""
    if process.processes is not None:
        yield from process.processes
    else:
        first = process.first or process
        yield INIT, Task(tuple(first.argv), first.signal)


@applet
async def kill(process: Process) -> int:
    """Send a signal to processes by number."""
    number, numbers = split(process.arguments)
    failed = 0
    for text in numbers:
        if not text.isdecimal():
            raise BadUsage(f"invalid number '{text}'")
        task = dict(_reached(process)).get(int(text))
        if task is None:
            process.complain(f"kill: can't kill pid {text}: No such process")
            failed = 1
        elif number != _PROBE:
            task.signal(number)
    return failed


@applet
async def killall(process: Process) -> int:
    """Send a signal to processes by name."""
    number, names = split(process.arguments)
    failed = 0
    for name in names:
        found = [task for _, task in _reached(process) if task.name == name]
        if not found:
            process.complain(f"killall: {name}: no process killed")
            failed = 1
        for task in found if number != _PROBE else ():
            task.signal(number)
    return failed


@applet
async def pkill(process: Process) -> int:
    """pkill and pgrep: processes whose names, with -f whole command lines, match a pattern."""
    words, only_look = list(process.arguments), process.name == "pgrep"
    flags = {word for word in words if word in ("-f", "-l", "-x")}
    words = [word for word in words if word not in flags]
    number, patterns = (_PROBE, words) if only_look else split(words)
    if len(patterns) != 1:
        raise BadUsage("a pattern is needed")
    try:
        wanted = re.compile(patterns[0])
    except re.error as error:
        raise BadUsage(f"bad regex '{patterns[0]}': {error}") from None
    match = wanted.fullmatch if "-x" in flags else wanted.search
    found = 0
    for pid, task in _reached(process):
        line = " ".join(task.argv)
        if task.argv == tuple(process.argv) or not match(line if "-f" in flags else task.name):
            continue
        found += 1
        if only_look:
            process.print(
                f"{pid} {line if '-f' in flags else task.name}" if "-l" in flags else str(pid)
            )
        elif number != _PROBE:
            task.signal(number)
    return 0 if found else 1


APPLETS: Final[dict[str, Program]] = {
    "kill": kill,
    "killall": killall,
    "pgrep": pkill,
    "pkill": pkill,
}
