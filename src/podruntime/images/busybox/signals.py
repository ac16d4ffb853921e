"""Applets that send signals: kill, killall.

What other processes of a container there are is known to the shell that runs them alone; everybody
knows PID 1, the container's first process, and whom a signal should reach in a preStop hook.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Final

from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import BadUsage
from podruntime.images.process import Process, Program

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


def signal_first(process: Process, number: int) -> None:
    """Send a signal to PID 1 of *process*'s container."""
    if number != _PROBE:
        (process.first or process).signal(number)


@applet
async def kill(process: Process) -> int:
    """Send a signal to processes by number."""
    number, numbers = split(process.arguments)
    failed = 0
    for text in numbers:
        if not text.isdecimal():
            raise BadUsage(f"invalid number '{text}'")
        if int(text) == 1:
            signal_first(process, number)
        else:
            process.complain(f"kill: can't kill pid {text}: No such process")
            failed = 1
    return failed


@applet
async def killall(process: Process) -> int:
    """Send a signal to processes by name."""
    number, names = split(process.arguments)
    failed = 0
    for name in names:
        if (process.first or process).name == name:
            signal_first(process, number)
        else:
            process.complain(f"killall: {name}: no process killed")
            failed = 1
    return failed


APPLETS: Final[dict[str, Program]] = {"kill": kill, "killall": killall}
