"""Which loopback block a cluster uses: 127.0.B.0/24 for its nodes.

The first cluster of a machine gets B = 1, a second one beside it the next free block. A block
is held by an abstract Unix socket that every process of the cluster inherits, so it is free
again exactly when the last of them has died, whatever killed them.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Final

from podwire.cluster.layout import (
    API_PORT,
    ETCD_CLIENT_PORT,
    ETCD_PEER_PORT,
    FAR,
    KUBELET_PORT,
    UNDERLAY_PORT,
    VXLAN_PORT,
    UsageError,
    control_plane_host,
)

BLOCKS: Final = range(1, 64)  # 127.0.64.0/24 and above are for load balancers.


def claim(nodes: int, control_planes: int = 1) -> tuple[int, socket.socket]:
    """Return the first block that is free for so many hosts and the socket that holds it.

    Raises UsageError if there is none.
    """
    for block in BLOCKS:
        held = claim_block(block, nodes, control_planes)
        if held is not None:
            return block, held
    raise UsageError(f"all {len(BLOCKS)} address blocks are in use; stop a cluster: podwire down")


def claim_block(block: int, nodes: int, control_planes: int = 1) -> socket.socket | None:
    """Return the socket that holds *block*, or None when another cluster or program is there."""
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        holder.bind(f"\0podwire-block-{block}")
        if all(_is_free(*wanted) for wanted in _wanted(block, nodes, control_planes)):
            return holder
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            holder.close()
            raise
    holder.close()
    return None


def node_is_free(block: int, number: int) -> bool:
    """Tell whether one more node finds its addresses free."""
    return all(_is_free(*wanted) for wanted in _node_sockets(block, number))


def _wanted(block: int, nodes: int, control_planes: int) -> Iterator[tuple[int, str, int]]:
    """Yield kind, address and port of every socket that a cluster cannot do without."""
    for number in range(1, control_planes + 1):
        host = control_plane_host(number)
        for port in (API_PORT, ETCD_CLIENT_PORT, ETCD_PEER_PORT):
            yield socket.SOCK_STREAM, f"127.0.{block}.{host}", port
        yield socket.SOCK_STREAM, f"127.0.{FAR + block}.{host}", API_PORT
    for number in range(1, nodes + 1):
        yield from _node_sockets(block, number)


def _node_sockets(block: int, number: int) -> Iterator[tuple[int, str, int]]:
    near = f"127.0.{block}.{number}"
    yield socket.SOCK_STREAM, near, KUBELET_PORT
    yield socket.SOCK_DGRAM, near, VXLAN_PORT
    yield socket.SOCK_DGRAM, near, UNDERLAY_PORT
    yield socket.SOCK_STREAM, f"127.0.{FAR + block}.{number}", KUBELET_PORT


def _is_free(kind: int, address: str, port: int) -> bool:
    """Try to bind; a stranger may sit there."""
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True
