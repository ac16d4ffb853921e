"""The signal handlers of one container."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextvars import Context, copy_context
from types import FrameType

Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers | None


class SignalTable:
    """Who is called for which signal, in the context that set it."""

    def __init__(self) -> None:
        self._handlers: dict[int, tuple[Handler, Context]] = {}

    def set(self, number: int, handler: Handler) -> Handler:
        """Set a handler (SIG_DFL: none), and return the one before."""
        before, _ = self._handlers.pop(number, (signal.SIG_DFL, None))
        if handler not in (None, signal.SIG_DFL):
            self._handlers[number] = (handler, copy_context())
        return before

    def get(self, number: int) -> Handler:
        """Return the handler."""
        return self._handlers.get(number, (signal.SIG_DFL, None))[0]

    def deliver(self, number: int) -> bool:
        """Call the handler soon; return whether there was one (SIG_IGN is one)."""
        handler, context = self._handlers.get(number, (signal.SIG_DFL, None))
        if handler == signal.SIG_DFL:
            return False
        if callable(handler):
            asyncio.get_running_loop().call_soon(handler, number, None, context=context)
        return True
