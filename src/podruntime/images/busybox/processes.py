"""Applets that look at processes: ps, pidof.

They show what `process_table` knows, and themselves; users, times and sizes are the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import BadUsage, parse
from podruntime.images.process import Process, Program
from podruntime.images.process_table import INIT, Task

_Row = tuple[int, Task]
#: A column's heading, its width to the right (negative) or to the left, and what stands in it.
_COLUMNS: Final[dict[str, tuple[str, int, Callable[[_Row], str]]]] = {
    "pid": ("PID", -5, lambda row: str(row[0])),
    "user": ("USER", 8, lambda row: "root"),
    "time": ("TIME", 5, lambda row: " 0:00"),
    "comm": ("COMMAND", 16, lambda row: row[1].name),
    "args": ("COMMAND", 0, lambda row: " ".join(row[1].argv)),
}
_ALL: Final = "pid,user,time,args"


def _rows(process: Process) -> Iterator[_Row]:
    """Return everybody, and *process* itself where only a shell knows of it."""
    own = Task(tuple(process.argv), lambda _number: None)
    table = process.processes
    if table is None:
        yield INIT, own
        return
    found = list(table)
    yield from found
    if all(task.argv != own.argv for _, task in found):
        yield table.next, own


@applet
async def ps(process: Process) -> int:
    """List processes."""
    words = [word for word in process.arguments if word not in ("aux", "ax", "auxww")]
    arguments = parse(words, "efAalwTo:")
    names = arguments.options.get("o", _ALL).split(",")
    unknown = [name for name in names if name not in _COLUMNS]
    if unknown:
        raise BadUsage(f"bad -o argument '{unknown[0]}', supported arguments: {','.join(_COLUMNS)}")
    columns = [_COLUMNS[name] for name in names]
    process.print(" ".join(_cell(heading, width) for heading, width, _ in columns).rstrip())
    for row in _rows(process):
        process.print(" ".join(_cell(text(row), width) for _, width, text in columns).rstrip())
    return 0


def _cell(text: str, width: int) -> str:
    return text.rjust(-width) if width < 0 else text.ljust(width)


@applet
async def pidof(process: Process) -> int:
    """Write the numbers of the processes of a name."""
    if not process.arguments:
        raise BadUsage("missing operand")
    wanted = set(process.arguments)
    found = [str(number) for number, task in _rows(process) if task.name in wanted]
    if found:
        process.print(" ".join(reversed(found)))
    return 0 if found else 1


APPLETS: Final[dict[str, Program]] = {"ps": ps, "pidof": pidof}
