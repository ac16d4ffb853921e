"""Signals of containers: what `signal` and the loop's signal handlers are to code in a pod.

Containers are tasks of one process, so the process's own handlers are none of theirs. A handler
that a container's code sets is called when the runtime stops it: uvicorn and hypercorn shut down
gracefully by it. A container's main program is PID 1 of its own: as in Linux a signal without a
handler does nothing to it, when it sends one to itself, for one.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import Callable
from functools import partial
from typing import Final

from podruntime.sandbox.owner import CURRENT
from podruntime.sandbox.signal_table import Handler

_UNCATCHABLE: Final = frozenset({signal.SIGKILL, signal.SIGSTOP})


def add_handler(number: int, callback: Callable[..., object], *args: object) -> bool:
    """Let the container's code hear of a signal; False: no container is running."""
    owner = CURRENT.get()
    if owner is None:
        return False
    if asyncio.iscoroutinefunction(callback) or asyncio.iscoroutine(callback):
        raise TypeError("coroutines cannot be used with add_signal_handler()")
    _check(number)
    owner.signals.set(number, partial(_without_signal, callback, args))
    return True


def _without_signal(
    callback: Callable[..., object], args: tuple[object, ...], _number: int, _frame: None
) -> None:
    callback(*args)


def remove_handler(number: int) -> bool | None:
    """Take a handler away; return whether there was one, None: no container is running."""
    owner = CURRENT.get()
    if owner is None:
        return None
    _check(number)
    return owner.signals.set(number, signal.SIG_DFL) != signal.SIG_DFL


def _check(number: int) -> None:
    if not isinstance(number, int):
        raise TypeError(f"sig must be an int, not {number!r}")
    if number not in signal.valid_signals():
        raise ValueError(f"invalid signal number {number}")
    if number in _UNCATCHABLE:
        raise RuntimeError(f"sig {number} cannot be caught")


def install() -> None:
    """Route the signal module's calls to whose code makes them."""
    original_signal, original_raise = signal.signal, signal.raise_signal
    original_get = signal.getsignal

    def routed_signal(number: int, handler: Handler, /) -> Handler:
        owner = CURRENT.get()
        if owner is None:
            return original_signal(number, handler)
        if number in _UNCATCHABLE:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if not callable(handler) and handler not in (signal.SIG_DFL, signal.SIG_IGN):
            raise TypeError(
                "signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object"
            )
        return owner.signals.set(number, handler)

    def routed_get(number: int, /) -> Handler:
        owner = CURRENT.get()
        return original_get(number) if owner is None else owner.signals.get(number)

    def routed_raise(number: int, /) -> None:
        owner = CURRENT.get()
        if owner is None:
            original_raise(number)
        else:
            owner.signals.deliver(number)

    signal.signal = routed_signal  # type: ignore[assignment]
    signal.getsignal = routed_get  # type: ignore[assignment]
    signal.raise_signal = routed_raise
