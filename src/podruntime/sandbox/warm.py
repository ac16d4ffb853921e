"""Run one pod to its end in the process that pods will be forked from.

What Python makes on first use (type caches, specialised bytecode, decoders) is then made once,
in pages that every pod shares, instead of once in each: a pod is smaller and starts sooner. It
costs some 40 ms, and nothing of it stays: no loop, file, handler or thread.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

import setproctitle

from componentbase import logs
from componentbase.rpc import Client, Connection, Params
from podruntime.cri import NetworkConfig, PodSandboxConfig, PodSandboxMetadata
from podruntime.sandbox.loop import PodLoop
from podruntime.sandbox.pod import Pod
from podruntime.store import SandboxDirectory, SandboxRecord

log = logging.getLogger(__name__)

_CONTAINER: Final = "warm-up"
_CALLS: Final[tuple[tuple[str, dict[str, object]], ...]] = (
    (
        "create",
        {
            "container_id": _CONTAINER,
            "config": {"metadata": {"name": "pause"}, "image": "registry.k8s.io/pause"},
        },
    ),
    ("start", {"container_id": _CONTAINER}),
    ("list", {}),
    ("stop", {"container_id": _CONTAINER, "timeout_s": 1.0}),
    ("remove", {"container_id": _CONTAINER}),
    ("shutdown", {}),
)


def warm_up(directory: Path) -> None:
    """Use *directory* for a pod that nobody sees, and remove it. No loop may run or stay."""
    folder = SandboxDirectory(directory)
    folder.remove()
    record = SandboxRecord(id=_CONTAINER, config=_config(directory), created_at=0.0)
    folder.create(record)
    again = folder.record()
    assert again is not None
    setproctitle.setproctitle(setproctitle.getproctitle())
    logs.configure(_CONTAINER, folder.log)
    log.info("a line for a file that is removed")
    loop = PodLoop()
    try:
        loop.run_until_complete(_live(Pod(again, folder, loop), folder))
    finally:
        loop.close()
        logs.configure(_CONTAINER, None)  # Closes the file; the process configures its own next.
        folder.remove()


async def _live(pod: Pod, folder: SandboxDirectory) -> None:
    async def talk() -> None:
        client = await Client.connect(folder.control_socket, on_tell=_ignore)
        for method, params in _CALLS:
            await client.call(method, params)
        await client.closed.wait()
        await client.close()

    await pod.listen()
    await asyncio.gather(talk(), pod.serve())


def _ignore(_connection: Connection, _method: str, _params: Params) -> None:
    return


def _config(directory: Path) -> PodSandboxConfig:
    return PodSandboxConfig(
        metadata=PodSandboxMetadata(name=_CONTAINER, uid="", namespace=""),
        network=NetworkConfig(
            interface="",
            mac="02:00:00:00:00:01",
            address="169.254.0.1/30",
            gateway="169.254.0.2",
            mtu=1450,
            veth_socket=str(directory / "no.sock"),
        ),
    )
