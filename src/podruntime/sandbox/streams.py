"""What makes one interpreter look like several processes to the Python code of containers.

`print`, `input`, `logging`, `os.environ`, `socket.gethostname` ask who is running: a container's
code gets its own log, environment and the pod's name; the pod's machinery gets the process's. The
command line (`sys.argv`) stays the process's own. Threads are their makers' containers', too.
"""

from __future__ import annotations

import asyncio
import errno
import io
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import wraps
from typing import TextIO

from podruntime.images.process import Output
from podruntime.sandbox.environment import RoutedEnvironment, RoutedOctets
from podruntime.sandbox.owner import CURRENT, Owner


class _BinaryStream(io.RawIOBase):
    """The `buffer` of a RoutedStream."""

    def __init__(self, output: Callable[[], Output | None]) -> None:
        self._output = output

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        output = self._output()
        octets = bytes(data)
        if output is not None:
            output.write(octets)
        return len(octets)


class RoutedStream(io.TextIOBase):
    """sys.stdout or sys.stderr, one per process, that knows who is writing."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, fallback: TextIO, choose: Callable[[Owner], Output]) -> None:
        self._fallback, self._choose = fallback, choose
        self.buffer = _BinaryStream(self._output)

    def _output(self) -> Output | None:
        owner = CURRENT.get()
        return None if owner is None else self._choose(owner)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        output = self._output()
        if output is None:
            return self._fallback.write(text)
        output.write(text.encode(errors="replace"))
        return len(text)

    def flush(self) -> None:
        if self._output() is None:
            self._fallback.flush()


class RoutedInput(io.TextIOBase):
    """sys.stdin: lines for the container whose code asks, in a thread of its own.

    In the event loop nothing can wait, or the whole pod would: what has not come yet is EAGAIN.
    """

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, fallback: TextIO) -> None:
        self._fallback = fallback

    def readable(self) -> bool:
        return True

    def isatty(self) -> bool:
        owner = CURRENT.get()
        return owner is not None and hasattr(owner.stdin, "raw")

    def readline(self, size: int | None = -1) -> str:  # type: ignore[override]
        """Return the next line; *size* is not heeded."""
        owner = CURRENT.get()
        if owner is None:
            return self._fallback.readline(-1 if size is None else size)
        return _waited_for(owner, owner.stdin.readline()).decode(errors="replace")

    def read(self, size: int | None = -1) -> str:
        """Return everything up to the end; *size* is not heeded."""
        owner = CURRENT.get()
        if owner is None:
            return self._fallback.read(-1 if size is None else size)
        return _waited_for(owner, owner.stdin.read()).decode(errors="replace")


def _waited_for(owner: Owner, reading: Coroutine[None, None, bytes]) -> bytes:
    loop = owner.loop
    if loop is not None and asyncio._get_running_loop() is None:
        return asyncio.run_coroutine_threadsafe(reading, loop).result()
    try:
        reading.send(None)
    except StopIteration as done:
        octets: bytes = done.value
        return octets
    reading.close()
    raise BlockingIOError(errno.EAGAIN, "nothing has come: await asyncio.to_thread(input)")


class RoutedHandler(logging.Handler):
    """Writes records of a container's code to its stderr, as `logging.basicConfig` would."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(logging.BASIC_FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        owner = CURRENT.get()
        if owner is not None:
            owner.stderr.write(self.format(record).encode(errors="replace") + b"\n")


def _route_logging() -> None:
    """Keep containers' records out of the pod's log, and let them have their own."""
    root = logging.getLogger()
    for handler in root.handlers:
        handler.addFilter(lambda _record: CURRENT.get() is None)
    root.addHandler(RoutedHandler())


def route_threads() -> None:
    """Let a thread be its maker's container's: Python gives it an empty context (until 3.14)."""
    start = threading.Thread.start

    @wraps(start)
    def started(thread: threading.Thread) -> None:
        if CURRENT.get() is not None:
            context, run = copy_context(), thread.run
            thread.run = lambda: context.run(run)  # type: ignore[method-assign]
        start(thread)

    threading.Thread.start = started  # type: ignore[method-assign, assignment]


def install() -> None:
    """Route the standard streams and the environment of this process and its forks."""
    sys.stdout = RoutedStream(sys.stdout, lambda owner: owner.stdout)
    sys.stderr = RoutedStream(sys.stderr, lambda owner: owner.stderr)
    sys.stdin = RoutedInput(sys.stdin)
    # Code that reads it is routed; putenv and child processes are none of a pod's business.
    environment = RoutedEnvironment(os.environ)
    os.environ = environment  # type: ignore[assignment]  # noqa: B003
    os.environb = RoutedOctets(environment)  # type: ignore[assignment]
    _route_logging()
    route_threads()


def be(hostname: str) -> None:
    """Give this process a host name of its own."""
    socket.gethostname = lambda: hostname
