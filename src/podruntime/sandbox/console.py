"""The standard streams of a container's main program: its log, and whoever is attached.

With `tty` all three are one terminal, and the log has what the terminal shows. Without `stdin`
reading is /dev/null. With `stdin_once` the first attachment that ends takes the input with it;
else it stays open, and nobody typing means that readers wait (CRI: stdin, stdin_once).
"""

from __future__ import annotations

from collections.abc import Callable

from componentbase.clock import wall_ns
from podruntime.cri import ContainerConfig
from podruntime.images.process import NoInput, Output, Pipe, Streams
from podruntime.images.terminal import Terminal
from podruntime.sandbox.logfile import LogFile, LogStream


class _Tee:
    """One output: to the log, and to the attached."""

    def __init__(self, log: LogStream) -> None:
        self._log = log
        self.attached: dict[Output, None] = {}

    def write(self, data: bytes) -> None:
        """Write *data*; who is attached and does not read is left behind."""
        self._log.write(data)
        for each in list(self.attached):
            try:
                each.write(data)
            except BrokenPipeError:
                self.attached.pop(each, None)

    async def drain(self) -> None:
        """Return at once: nobody who looks on holds a container up."""

    def end(self) -> None:
        """Write no more."""
        self._log.end()
        self.attached.clear()


class Console:
    """What one container's main program reads and writes."""

    def __init__(self, config: ContainerConfig) -> None:
        self._log = LogFile(config.log_path, wall_ns) if config.log_path else None
        self._out, self._error = (_Tee(LogStream(self._log, n)) for n in ("stdout", "stderr"))
        self._once = config.stdin_once
        self._terminal = Terminal(self._out) if config.tty else None
        self._pipe = Pipe() if config.stdin and not config.tty else None
        screen = self._terminal
        self.streams = Streams(
            stdin=(screen if config.stdin else None) or self._pipe or NoInput(),
            stdout=screen or self._out,
            stderr=screen or self._error,
            terminal=screen,
        )
        self._has_stdin = config.stdin

    @property
    def input(self) -> Terminal | Pipe | None:
        """Return where an attached person's keys go."""
        return (self._terminal or self._pipe) if self._has_stdin else None

    @property
    def terminal(self) -> Terminal | None:
        """Return the terminal, if there is one."""
        return self._terminal

    def attach(self, out: Output | None, error: Output | None) -> Callable[[], None]:
        """Show what the program writes from now on; return what ends that."""
        if out is not None:
            self._out.attached[out] = None
        if error is not None and self._terminal is None:
            self._error.attached[error] = None

        def detach() -> None:
            for tee, each in ((self._out, out), (self._error, error)):
                if each is not None:
                    tee.attached.pop(each, None)

        return detach

    def input_left(self) -> None:
        """Somebody who was attached with input is gone."""
        if self._once:
            self.end_input()

    def end_input(self) -> None:
        """Let the program read the end."""
        if self._pipe is not None:
            self._pipe.end()
        if self._terminal is not None:
            self._terminal.hang_up()

    def end(self) -> None:
        """The program has ended: its last line is logged."""
        self._out.end()
        self._error.end()
        if self._log is not None:
            self._log.close()
            self._log = None
