"""The cluster's zygote in an interpreter of its own: `python -m podwire.launcher.zygote FD`.

The first zygote is a fork of `podwire up`, before there is an event loop. When it is killed the
launcher, which has one, starts this in its place.
"""

from __future__ import annotations

import sys
from typing import Final

import setproctitle

from componentbase.zygote import serve_inherited

TITLE: Final = "launcher zygote"


def main(argv: list[str]) -> int:
    """Fork on request; *argv* is the descriptor of the socket that requests come from."""
    if len(argv) != 1 or not argv[0].isdigit():
        print("usage: python -m podwire.launcher.zygote FD", file=sys.stderr)
        return 2
    setproctitle.setproctitle(f"podwire: {TITLE}")  # Its imports take a while.
    from podwire.launcher.entries import ENTRIES

    return serve_inherited(int(argv[0]), ENTRIES, title=TITLE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
