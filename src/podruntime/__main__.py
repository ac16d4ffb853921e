"""The node's container runtime as a process: `python -m podruntime CONFIG.json`.

The zygote is forked first, while this process has one thread, no event loop and every module
that a pod may need (aiohttp for python:// images included).
"""

from __future__ import annotations

import asyncio
import encodings.idna  # noqa: F401 - What a pod's first lookup of a name would import: 0.8 MB.
import random
import sys
from functools import partial
from pathlib import Path

import aiohttp.web  # noqa: F401 - Warm for python:// images: 150 ms that no pod pays for.

from componentbase import process
from componentbase.rpc import Server
from componentbase.tasks import Tasks
from componentbase.zygote import Zygote
from podruntime.config import Config
from podruntime.runtime import Runtime
from podruntime.sandbox import pod
from podruntime.sandbox.warm import prepare


async def serve(config: Config, zygote: Zygote) -> None:
    """Run pods on behalf of the kubelet until cancelled."""
    tasks = Tasks()
    runtime = Runtime(
        config.pods,
        zygote,
        tasks,
        random.Random(),
        image_bandwidth_bit_s=config.image_bandwidth_bit_s,
    )
    server = Server(config.cri_socket, runtime.handlers(), on_close=runtime.forget_listener)
    tasks.spawn(_zygote_lost(runtime, zygote), name="zygote", essential=True)
    try:
        await runtime.start()
        await server.start()
        await tasks.wait()
    finally:
        await server.close()
        await runtime.close()
        await tasks.close()


async def _zygote_lost(runtime: Runtime, zygote: Zygote) -> None:
    """End when the zygote does: without it no pod can start, so start over."""
    lost = asyncio.Event()
    zygote.attach(runtime.child_exited, lost.set)
    await lost.wait()


def main(argv: list[str]) -> int:
    """Serve CRI for one node; *argv* is the path of the configuration."""
    if len(argv) != 1:
        print("usage: python -m podruntime CONFIG.json", file=sys.stderr)
        return 2
    config = process.load_config(Config, Path(argv[0]))
    config.pods.mkdir(parents=True, exist_ok=True, mode=0o700)
    zygote = Zygote(
        {"pod": pod.main},
        title=f"{config.node_name} zygote",
        prepare=partial(prepare, config.warm_up),
    )
    name = f"{config.node_name} podruntime"
    return process.run(name, Path(config.log_file), lambda: serve(config, zygote))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
