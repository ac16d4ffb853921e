"""`podwire` without its start: a warm process forks the commands that tests type.

Tests start two hundred clusters and type a thousand commands, and half of what that costs is the
import of our own modules. A fork has them; it does and answers what `python -m podwire` does. What
is about the start itself (signals, closed streams, an environment that Python reads) types that.
"""

from __future__ import annotations

import functools
import importlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from typing import Final, NoReturn

import setproctitle

_REQUEST_OCTETS: Final = 256 * 1024
_DESCRIPTORS: Final = 3
#: What Python and the C library read when they start.
_OF_PYTHON: Final = ("PYTHON", "MALLOC_")


def run(
    words: tuple[str, ...], environment: dict[str, str], timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Type `podwire` with *words*; raise TimeoutExpired as subprocess.run does."""
    python = {k: v for k, v in environment.items() if k.startswith(_OF_PYTHON)}
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        request = json.dumps([words, environment, os.getcwd()]).encode()
        with theirs:
            descriptors = [out.fileno(), err.fileno(), theirs.fileno()]
            socket.send_fds(_server(frozenset(python.items())), [request], descriptors)
        ours.settimeout(timeout_s)
        pid = int(ours.recv(64))
        try:
            status = ours.recv(64)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(["podwire", *words], timeout_s) from None
        texts = [os.pread(f.fileno(), os.fstat(f.fileno()).st_size, 0).decode() for f in (out, err)]
        return subprocess.CompletedProcess(["podwire", *words], int(status), *texts)


@functools.cache
def _server(python: frozenset[tuple[str, str]]) -> socket.socket:
    """Start a warm process whose Python read *python*; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_OF_PYTHON)}
    argv = [sys.executable, "-P", __file__, str(theirs.fileno())]
    os.set_inheritable(theirs.fileno(), True)
    os.posix_spawn(sys.executable, argv, {**kept, **dict(python)})
    theirs.close()
    return ours


def _serve(requests: socket.socket) -> None:
    """Fork for every request, until whoever asks is gone."""
    importlib.import_module("podwire.launcher.entries")  # Before the rest, as `up` does.
    from podwire.cli import COMMANDS

    for target in COMMANDS.values():
        importlib.import_module(target.partition(":")[0])
    # The room for titles lies beside the environment, and is found as long as that is untouched.
    setproctitle.setproctitle("warm podwire")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody asks how a watcher ended.
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, _REQUEST_OCTETS, _DESCRIPTORS)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            _watch(request, descriptors)
        for each in descriptors:
            os.close(each)


def _watch(request: bytes, descriptors: list[int]) -> NoReturn:
    """Run a command in a fork; say its pid, and when it has ended its status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    out, err, teller = descriptors
    pid = os.fork()
    if pid == 0:
        os.close(teller)
        _become(request, out, err)
    with socket.socket(fileno=teller) as told:
        told.send(b"%d" % pid)
        told.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os._exit(0)


def _become(request: bytes, out: int, err: int) -> NoReturn:
    """Be `podwire`, from its first line to its exit status."""
    words, environment, directory = json.loads(request)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    sys.argv = ["podwire", *words]
    sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), encoding="utf-8")  # noqa: SIM115
    sys.stderr = io.TextIOWrapper(
        open(2, "wb", buffering=0, closefd=False),  # noqa: SIM115
        encoding="utf-8", errors="backslashreplace", write_through=True,
    )  # fmt: skip
    from podwire.cli import main

    status = 1
    try:
        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
