"""Make the zygote what every pod shares: whatever can be done once, before the forks.

Standard streams, environment, logging and the guard are routed for all pods at once. Then a few
pods live their lives in the zygote itself: what Python makes on first use (type caches,
specialised bytecode, decoders) is then made once, in pages that every pod shares, instead of once
in each: a pod is smaller and starts sooner. It costs some 40 ms, and nothing of it stays: no
loop, file, handler or thread.
"""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Final

import setproctitle

from componentbase.rpc import Client, Connection, Params
from podruntime.cri import NetworkConfig, PodSandboxConfig, PodSandboxMetadata
from podruntime.sandbox import guard, streams
from podruntime.sandbox.loop import PodLoop
from podruntime.sandbox.pod import Pod
from podruntime.store import SandboxDirectory, SandboxRecord

#: CPython specialises a function's bytecode after eight calls; later calls only read it.
_LIVES: Final = 9
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


def prepare(directory: Path) -> None:
    """Make this process, which has no loop, ready to be forked into pods.

    *directory* is used for pods that nobody sees, and removed.
    """
    gc.set_threshold(50_000, 20, 20)
    streams.install()
    guard.install()
    for _ in range(_LIVES):
        _warm_up(SandboxDirectory(directory))


def _warm_up(folder: SandboxDirectory) -> None:
    folder.remove()
    folder.create(SandboxRecord(id=_CONTAINER, config=_config(folder.path), created_at=0.0))
    record = folder.record()
    assert record is not None
    setproctitle.setproctitle(setproctitle.getproctitle())
    loop = PodLoop()
    try:
        loop.run_until_complete(_live(Pod(record, folder, loop), folder))
    finally:
        loop.close()
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
