"""One at a time: making a cluster and removing one must not interleave.

The lock is the kernel's, on the directory that holds all clusters, so it leaves no file behind
and ends with whoever holds it. It is held for as long as files are written and the launcher is
forked, well under a second, and not while nodes become Ready.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from podwire.cluster.layout import UsageError, home, no_home

_TIMEOUT_S: Final = 60.0
_POLL_S: Final = 0.02


@contextmanager
def exclusive() -> Iterator[None]:
    """Wait for the lock and hold it inside the block; makes the home if there is none.

    Raises UsageError when there can be no home, or another command does not let go of it.
    """
    directory = home()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise no_home(error) from None
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # A fork of ours may have the descriptor still.
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise UsageError(
                    "another podwire command is busy starting or stopping a cluster; try again"
                ) from None
        time.sleep(_POLL_S)
