"""What pods and their containers use: CRI's ListPodSandboxStats, with the containers.

A pod's process says how its CPU is divided (`sandbox.cpu_accounting`); its memory, which belongs to
the process, is divided evenly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from componentbase.rpc import RpcError
from podruntime.handle import PodHandle

_ASK_S: Final = 1.0

Row = Mapping[str, object]


class _Used(msgspec.Struct, frozen=True):
    """What a pod answers to `stats`: CPU of its running containers in nanoseconds.

    `answered` are the requests that HTTP servers of the container answered; None: it has none.
    """

    containers: dict[str, int]
    answered: dict[str, int | None] = msgspec.field(default_factory=dict)


async def of_pods(pods: Iterable[PodHandle]) -> list[Row]:
    """Ask every pod; who does not answer (stopped, hung, just ended) is left out."""
    rows = await asyncio.gather(*map(_of_pod, pods))
    return [row for row in rows if row is not None]


async def _of_pod(pod: PodHandle) -> Row | None:
    try:
        used = msgspec.convert(await pod.call("stats", {}, _ASK_S), _Used)
    except (RpcError, msgspec.ValidationError):
        return None
    octets = pod.memory() // max(1, len(used.containers))
    containers = [
        {
            "id": container,
            "cpu_ns": cpu_ns,
            "memory_octets": octets,
            "requests": used.answered.get(container),
        }
        for container, cpu_ns in used.containers.items()
    ]
    return {**pod.stats(), "containers": containers}
