"""The processes that a container sees: a PID namespace (pid_namespaces(7)) without a kernel.

A container has one of its own, that of its pod (`shareProcessNamespace`, where pause is PID 1), or
that of the container which an ephemeral one targets. In it are the programs that the runtime has
started, a container's own and those executed beside it. What a shell starts is known to that shell
alone, which numbers it from 2 on: so others begin behind that.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

#: The process that the kernel protects from signals without a handler.
INIT: Final = 1
_OTHERS_FROM: Final = 101
#: Linux: kernel.pid_max.
_PID_MAX: Final = 32_768


@dataclass(frozen=True, slots=True)
class Task:
    """One process as others of its namespace see it."""

    argv: tuple[str, ...]
    #: Deliver a signal, as from another process.
    signal: Callable[[int], None]

    @property
    def name(self) -> str:
        """Return what `killall` calls it."""
        return posixpath.basename(self.argv[0]) if self.argv else ""


class ProcessTable:
    """Processes by number."""

    def __init__(self) -> None:
        self._tasks: dict[int, Task] = {}
        self._last = 0

    def enter(self, task: Task) -> int:
        """Give *task* a number: the first ever is PID 1."""
        number = self._last + 1 if self._last >= _OTHERS_FROM else _OTHERS_FROM
        if self._last == 0:
            number = INIT
        if number > _PID_MAX:  # Numbers come round again, as the kernel's.
            number = next(n for n in range(_OTHERS_FROM, _PID_MAX) if n not in self._tasks)
        self._tasks[number] = task
        self._last = number
        return number

    def leave(self, number: int) -> None:
        """Forget a process that has ended."""
        del self._tasks[number]

    def find(self, number: int) -> Task | None:
        """Return the process with that number."""
        return self._tasks.get(number)

    def __iter__(self) -> Iterator[tuple[int, Task]]:
        return iter(sorted(self._tasks.items()))

    @property
    def next(self) -> int:
        """Return the number that a process has which nobody has entered."""
        return max(self._last, _OTHERS_FROM - 1) + 1
