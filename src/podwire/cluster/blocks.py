"""Which loopback block a cluster uses: 127.0.B.0/24 for its nodes.

The first cluster of a machine gets B = 1, a second one beside it the next free block. A block
is held by an abstract Unix socket that every process of the cluster inherits, so it is free
again exactly when the last of them has died, whatever killed them.
"""

from __future__ import annotations

import errno
import socket
from typing import Final

from podwire.cluster.layout import API_PORT, CONTROL_PLANE_HOST, KUBELET_PORT, UsageError

BLOCKS: Final = range(1, 64)  # 127.0.64.0/24 and above are for load balancers.
_VXLAN_PORT: Final = 4789


def claim() -> tuple[int, socket.socket]:
    """Return the first free block and the socket that holds it; raises UsageError if none is."""
    for block in BLOCKS:
        held = claim_block(block)
        if held is not None:
            return block, held
    raise UsageError(f"all {len(BLOCKS)} address blocks are in use; stop a cluster: podwire down")


def claim_block(block: int) -> socket.socket | None:
    """Return the socket that holds *block*, or None when another cluster or program is there."""
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        holder.bind(f"\0podwire-block-{block}")
        if _ports_are_free(block):
            return holder
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            holder.close()
            raise
    holder.close()
    return None


def _ports_are_free(block: int) -> bool:
    """Try the ports that a cluster needs first; a stranger may sit on one of them."""
    wanted = (
        (socket.SOCK_DGRAM, 1, _VXLAN_PORT),
        (socket.SOCK_STREAM, 1, KUBELET_PORT),
        (socket.SOCK_STREAM, CONTROL_PLANE_HOST, API_PORT),
    )
    for kind, host, port in wanted:
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((f"127.0.{block}.{host}", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                return False
    return True
