"""Interrupts code of others that runs too long, by SIGALRM; works in a process's main thread.

The code may catch every Exception: `TookTooLong` is none, and the alarm rings again. Whoever used
the timer before (another alarm, a test's own limit) has it back afterwards. Elsewhere than in the
main thread nothing is interrupted.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Final

#: How soon it rings again when it was not heard.
_AGAIN_S: Final = 0.1


class TookTooLong(BaseException):
    """The time is over."""


class Alarm:
    """A context that may last *limit_s*; for one use. Whoever hears it calls `stop`."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._before: object = None
        self._timer_before = (0.0, 0.0)
        self._is_set = False

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        self._before = signal.signal(signal.SIGALRM, self._ring)
        self._is_set = True
        self._timer_before = signal.setitimer(signal.ITIMER_REAL, self._limit_s, _AGAIN_S)

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Be silent; also when the alarm rang while the context was left."""
        self._is_set, was_set = False, self._is_set
        if not was_set:
            return
        signal.setitimer(signal.ITIMER_REAL, *self._timer_before)
        signal.signal(signal.SIGALRM, self._before)  # type: ignore[arg-type]

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_set:
            raise TookTooLong
