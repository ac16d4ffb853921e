"""Whether this shell lets the busiest process of a cluster open as many files as it needs.

A connection is a file, and each of an agent's watches is a connection: HTTP/1.1 carries one at a
time. The fabric, which stands between nodes and API servers, has two for each. Processes raise the
soft limit by themselves; the hard one is the shell's.
"""

from __future__ import annotations

import resource
from typing import Final

from podwire.cluster.layout import Cluster, UsageError

#: Of an API server with its control plane, and of a process of hollow nodes.
_AT_REST, _HOLLOW = 128, 128
#: Of the fabric, for a live node that joins.
_PER_NODE: Final = 32


def wanted(cluster: Cluster) -> int:
    """Return about how many files one process of *cluster* has open."""
    return _without_nodes(cluster) + _PER_NODE * len(cluster.node_numbers)


def _without_nodes(cluster: Cluster) -> int:
    return _AT_REST + (_HOLLOW if cluster.hollow_numbers else 0)


def check(cluster: Cluster) -> None:
    """Raise UsageError when the hard limit is too small."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted(cluster)
    if hard == resource.RLIM_INFINITY or hard >= needed:
        return
    bearable = (hard - _without_nodes(cluster)) // _PER_NODE
    instead = f", or ask for --nodes {bearable}" if bearable > 0 else ""
    raise UsageError(
        f"{len(cluster.node_numbers)} nodes need about {needed} open files in one process, and the "
        f"hard limit here is {hard} (ulimit -Hn); raise it (ulimit -n {needed} as root, nofile in "
        f"/etc/security/limits.conf, LimitNOFILE= of systemd, docker run --ulimit){instead}"
    )
