"""Transport addresses of this test process alone, so that runs side by side do not meet."""

from __future__ import annotations

import atexit
import socket


def _claim() -> tuple[str, socket.socket]:
    """Return the first two octets of a network that is ours while the socket lives."""
    for second in range(100, 250):
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            holder.bind(f"\0podwire-tests-{second}")
        except OSError:
            holder.close()
        else:
            return f"127.{second}", holder
    raise AssertionError("150 test processes run at once")


PREFIX, _holder = _claim()
atexit.register(_holder.close)
