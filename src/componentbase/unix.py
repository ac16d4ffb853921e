"""Unix socket addresses of any length.

The kernel's sockaddr_un holds 107 octets; a state directory below a test's temporary folder is
often longer. Such a path is reached through an open descriptor of its directory instead. It is
opened by `posix`: code in a pod finds its container's files under `os`.
"""

from __future__ import annotations

import os
import posix
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PATH_MAX: Final = 107


@contextmanager
def socket_path(path: Path) -> Iterator[str]:
    """Yield a text to bind or connect to that means *path*; valid inside the block only."""
    text = str(path)
    if len(os.fsencode(text)) <= _PATH_MAX:
        yield text
        return
    directory = posix.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
