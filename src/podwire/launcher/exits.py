"""How whoever supervises processes hears of their ends: by the zygote, as orphans, too early.

The end of a process may overtake the answer to its fork; a zygote that dies takes the news of its
children with it; orphans become children of the supervising process, which is a subreaper (or
process 1 of a container). Whichever way it comes, an end is told once.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable

from componentbase import clock
from podwire.launcher.groups import lives
from podwire.launcher.supervisor import Managed, Supervisor

log = logging.getLogger(__name__)

#: Is given the process, the pid it had, and the status as in subprocess (-N: signal).
OnEnded = Callable[[Managed, int, int], None]


class Exits:
    """Tells *supervisor*, then *on_ended*, of every end."""

    def __init__(self, supervisor: Supervisor, on_ended: OnEnded) -> None:
        self._supervisor, self._on_ended = supervisor, on_ended
        self._early: dict[int, int] = {}  # Exits that overtook the answer to their fork.

    def exited(self, pid: int, status: int) -> None:
        """*pid* has ended, whoever it was."""
        managed = self._supervisor.exited(pid, clock.monotonic())
        if managed is None:
            self._early[pid] = status
            return
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        log.info("%s (pid %d) ended: %s", managed.plan.name, pid, how)
        self._on_ended(managed, pid, status)

    def started(self, pid: int) -> None:
        """The supervisor knows *pid* by now; it may have ended before."""
        if pid in self._early:
            self.exited(pid, self._early.pop(pid))
        elif not lives(pid):
            self.exited(pid, -signal.SIGKILL)  # Its zygote died with it and reported nothing.

    def reap(self) -> None:
        """Reap those whose zygote or podruntime died: this process inherits them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if any(managed.pid == pid for managed in self._supervisor.processes()):
                self.exited(pid, os.waitstatus_to_exitcode(status))

    def zygote_lost(self) -> None:
        """Note the ends of children that the zygote reaped but could not report any more."""
        for managed in self._supervisor.processes():
            if managed.pid is not None and not lives(managed.pid):
                self.exited(managed.pid, -signal.SIGKILL)
