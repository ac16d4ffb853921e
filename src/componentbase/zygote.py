"""A warm process that does nothing but fork: how processes start in milliseconds.

A fresh Python process with our imports costs 0.3 s and 21 MB; a fork of a warm one 4 ms and
2 MB. The zygote has one thread and no event loop, so that a fork is safe at any moment. It
reads requests from a socket pair, forks, answers with the pid, reaps its children and reports
how they ended. It ends when its owner's end of the pair closes; its children live on. Of its
owner's descriptors it keeps the three standard ones and those it is told to keep, so that a
child holds nothing open that it does not know of.

A child begins only after its pid was reported: whoever dies in between, there is no process
that nobody knows of.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgpack
import setproctitle

from componentbase import logs, memory

log = logging.getLogger(__name__)

Entry = Callable[[list[str]], int]
#: What the zygote does before it forks for the first time: all that can be done once for all.
Prepare = Callable[[], None]
_MESSAGE_OCTETS: Final = 256 * 1024


class Zygote:
    """The owner's side: asks for forks, hears of exits.

    Make it before any event loop or thread exists in this process, then `attach` it to the
    running loop.
    """

    def __init__(
        self,
        entries: Mapping[str, Entry],
        *,
        title: str,
        prepare: Prepare | None = None,
        keep: Iterable[int] = (),
    ) -> None:
        ours, theirs = _pair()
        pid = os.fork()
        if pid == 0:
            _keep_only([theirs.fileno(), *keep])
            os._exit(serve(theirs, entries, title, prepare or _nothing))
        theirs.close()
        self._begin(ours, pid)

    @classmethod
    def spawn(cls, module: str, *, keep: Iterable[int] = ()) -> Zygote:
        """Run *module* in a fresh interpreter as the zygote; it must `serve_inherited`.

        For an owner that has an event loop by now and may not fork. The descriptors *keep* stay
        open in the zygote and in all that it forks.
        """
        ours, theirs = _pair()
        for descriptor in (theirs.fileno(), *keep):
            os.set_inheritable(descriptor, True)
        argv = [sys.executable, "-m", module, str(theirs.fileno())]
        pid = os.posix_spawn(sys.executable, argv, os.environ)
        theirs.close()
        zygote = cls.__new__(cls)
        zygote._begin(ours, pid)
        return zygote

    def _begin(self, ours: socket.socket, pid: int) -> None:
        ours.setblocking(False)
        self.pid = pid
        self._socket = ours
        self._waiting: list[asyncio.Future[int]] = []
        self._on_exit: Callable[[int, int], None] = lambda _pid, _status: None
        self._on_lost: Callable[[], None] = lambda: None

    def attach(self, on_exit: Callable[[int, int], None], on_lost: Callable[[], None]) -> None:
        """Report ends of children: *on_exit*(pid, status), status as in subprocess (-N: signal)."""
        self._on_exit, self._on_lost = on_exit, on_lost
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    async def fork(
        self, entry: str, argv: list[str], *, group: int | None = None, output: Path | None = None
    ) -> int:
        """Start *entry* with *argv* in a new process and return its pid.

        Raises ConnectionError when the zygote is dead: then nothing was started.

        *group* is the process group to join (0: a new one; None: the zygote's own). stdout and
        stderr go to *output*, or stay the zygote's.
        """
        if self._socket.fileno() < 0:
            raise ConnectionResetError("the zygote died")
        request = [entry, argv, group, None if output is None else str(output)]
        self._socket.send(msgpack.packb(request))
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        return await answer

    def _readable(self) -> None:
        try:
            octets = self._socket.recv(_MESSAGE_OCTETS)
        except BlockingIOError:
            return
        except OSError:
            octets = b""
        if not octets:
            self.close()
            for answer in self._waiting:
                if not answer.done():
                    answer.set_exception(ConnectionResetError("the zygote died"))
            self._waiting.clear()
            self._on_lost()
            return
        kind, pid, status = msgpack.unpackb(octets)
        if kind == "forked":
            answer = self._waiting.pop(0)
            if not answer.done():
                answer.set_result(pid)
        else:
            self._on_exit(pid, status)

    def close(self) -> None:
        """Let the zygote end; its children live on."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def serve_inherited(descriptor: int, entries: Mapping[str, Entry], *, title: str) -> int:
    """Be the zygote that `Zygote.spawn` started; *descriptor* is the argument it passed."""
    os.set_inheritable(descriptor, False)
    return serve(socket.socket(fileno=descriptor), entries, title)


def _keep_only(descriptors: Iterable[int]) -> None:
    """Close what the owner had open, but for *descriptors* and the standard streams."""
    logs.configure("zygote", None)  # The owner's log file is about to be closed here.
    begin = 3
    for descriptor in sorted(descriptors):
        os.closerange(begin, descriptor)
        begin = descriptor + 1
    os.closerange(begin, os.sysconf("SC_OPEN_MAX"))


def _nothing() -> None:
    return


def serve(
    requests: socket.socket,
    entries: Mapping[str, Entry],
    title: str,
    prepare: Prepare = _nothing,
) -> int:
    """Fork on request until the owner hangs up."""
    setproctitle.setproctitle(f"podwire: {title}")
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    memory.forget_fork_hooks()
    prepare()
    memory.fill_gaps()
    memory.freeze()
    while True:
        readable, _, _ = select.select([requests.fileno(), wake_read], [], [])
        if wake_read in readable:
            os.read(wake_read, 4096)
            _reap(requests)
        if requests.fileno() in readable:
            request = _next_request(requests)
            if request is None:
                return 0
            _fork(requests, entries, request, (wake_read, wake_write))


def _next_request(requests: socket.socket) -> list[Any] | None:
    """Return entry, argv, group and output of the child wanted; None when the owner is gone."""
    try:
        octets = requests.recv(_MESSAGE_OCTETS)
    except ConnectionResetError:
        return None  # It went away with reports of ours unread.
    request: list[Any] | None = msgpack.unpackb(octets) if octets else None
    return request


def _fork(
    requests: socket.socket, entries: Mapping[str, Entry], request: list[Any], wake: Iterable[int]
) -> None:
    entry, argv, group, output = request
    go_read, go_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        for descriptor in (*wake, go_write):
            os.close(descriptor)
        requests.close()
        os._exit(_child(go_read, entries[entry], argv, group, output))
    os.close(go_read)
    if group is not None:
        _join_group(pid, group)
    if _report(requests, "forked", pid, 0):
        _let_go(go_write)
    os.close(go_write)


def _let_go(descriptor: int) -> None:
    try:
        os.write(descriptor, b"!")
    except BrokenPipeError:
        pass  # The child was killed meanwhile; its exit will be reported.


def _reap(requests: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _report(requests, "exited", pid, os.waitstatus_to_exitcode(status))


def _report(requests: socket.socket, kind: str, pid: int, status: int) -> bool:
    try:
        requests.send(msgpack.packb([kind, pid, status]))
    except OSError:
        return False  # The owner is gone; the next read says so.
    return True


def _join_group(pid: int, group: int) -> None:
    """Put *pid* into *group*; parent and child both do, so that neither sees it undone."""
    try:
        os.setpgid(pid, group)
    except OSError:
        pass  # The other side did it, the child is gone, or the group died in between.


def _child(go: int, entry: Entry, argv: list[Any], group: int | None, output: str | None) -> int:
    # Signals stay as `serve` has set them: SIGTERM ends, SIGINT does nothing until the entry says
    # what, SIGCHLD's handler neither. To set three of them would cost every pod 0.25 MB.
    known = os.read(go, 1)
    os.close(go)
    if not known:
        return 1  # Nobody heard of this process: it must not begin.
    if group is not None:
        _join_group(0, group)
        if os.getpgid(0) != (group or os.getpid()):
            return 1  # The group died in between; who asked will ask again.
    if output is not None:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
    try:
        return entry(argv)
    except SystemExit as end:
        if isinstance(end.code, str):
            os.write(2, end.code.encode() + b"\n")
            return 1
        return end.code or 0
    except BaseException:
        log.exception("process failed")
        return 1
