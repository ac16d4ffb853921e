"""Whose task, socket and output it is: the process boundary between containers of one pod.

A container is a task; what it starts and opens carries its owner in a context variable, as a
child process carries its cgroup. When the container ends, its owner ends all of that, as the
kernel would.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Coroutine
from contextvars import Context, ContextVar
from typing import Final, Protocol

from podruntime.images.filesystem import FileSystem
from podruntime.images.process import Input, NoInput, Output
from podruntime.sandbox.signal_table import SignalTable

#: Of whom the running code is a part; None in the pod's own machinery.
CURRENT: Final[ContextVar[Owner | None]] = ContextVar("owner", default=None)


class Resource(Protocol):
    """Something that an end of its owner closes."""

    def release(self) -> None:
        """Let go of it at once, as the kernel does for a process that has died."""


class Closable(Protocol):
    """Something of the base loop's that does not end by itself with its owner."""

    def close(self) -> None:
        """End it."""


class Owner:
    """The tasks and sockets of one container, and where its Python code prints."""

    def __init__(self, env: dict[str, str], stdout: Output, stderr: Output) -> None:
        self.env, self.stdout, self.stderr = env, stdout, stderr
        self.stdin: Input = NoInput()
        self.container_id = ""  # Whose CPU it uses.
        #: Where its program runs: threads of it wait for their input there.
        self.loop: asyncio.AbstractEventLoop | None = None
        self.files: FileSystem | None = None
        self.cwd = "/"
        self.signals = SignalTable()
        self._resources: dict[Resource, None] = {}
        self._closables: weakref.WeakKeyDictionary[Closable, None] = weakref.WeakKeyDictionary()
        self._tasks: weakref.WeakKeyDictionary[asyncio.Task[object], None] = (
            weakref.WeakKeyDictionary()
        )

    def add(self, resource: Resource) -> None:
        """Take *resource* over; it must `discard` itself when it ends earlier."""
        self._resources[resource] = None

    def discard(self, resource: Resource) -> None:
        """Forget *resource*."""
        self._resources.pop(resource, None)

    def add_task(self, task: asyncio.Task[object]) -> None:
        """Remember *task* as long as it lives."""
        self._tasks[task] = None

    def close_at_end(self, ours: Closable) -> None:
        """Remember a server or transport of the kernel's sockets as long as it lives."""
        self._closables[ours] = None

    def release(self) -> None:
        """End every task and close every socket."""
        for ours in list(self._closables):
            ours.close()
        for task in list(self._tasks):
            if not task.done():
                task.cancel()
        for resource in list(self._resources):
            resource.release()
        self._resources.clear()


def adopt(resource: Resource, context: Context) -> Owner | None:
    """Give *resource* to the owner that *context* belongs to, and return that."""
    owner = context.get(CURRENT)
    if owner is not None:
        owner.add(resource)
    return owner


def close_at_end(ours: Closable) -> None:
    """Let the running container's end close *ours*."""
    owner = CURRENT.get()
    if owner is not None:
        owner.close_at_end(ours)


def task_factory(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[object, None, object],
    *,
    context: Context | None = None,
    **options: str,
) -> asyncio.Task[object]:
    """Make a task as asyncio would, and let its owner know of it."""
    task = asyncio.Task(coroutine, loop=loop, context=context, **options)
    owner = CURRENT.get() if context is None else context.get(CURRENT)
    if owner is not None:
        owner.add_task(task)
    return task
