"""Who is ended when a pod has more memory than its limits allow (Linux: the OOM killer).

Containers are tasks of one process, so whose memory it is nobody can tell: a pod is held to the sum
of the limits of its running containers, if each has one, and the one with the greatest limit ends.
"""

from __future__ import annotations

from collections.abc import Iterable

from podruntime.cri import RUNNING, ContainerStatus


def limit_of(containers: Iterable[ContainerStatus]) -> int:
    """Return how much memory the pod may have, 0 when it is not limited."""
    limits = [each.memory_limit_in_bytes for each in containers if each.state == RUNNING]
    return sum(limits) if limits and all(limits) else 0


def out_of_memory(containers: Iterable[ContainerStatus], used: int) -> ContainerStatus | None:
    """Return the container that must end because the pod has *used* octets."""
    running = [each for each in containers if each.state == RUNNING]
    limit = limit_of(running)
    if not limit or used <= limit:
        return None
    return max(running, key=lambda each: (each.memory_limit_in_bytes, each.started_at))
