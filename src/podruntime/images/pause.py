"""registry.k8s.io/pause: waits to be told to go."""

from __future__ import annotations

import asyncio

from podruntime.images.image import Image
from podruntime.images.process import Process


async def pause(process: Process) -> int:
    """Wait for SIGTERM and end with 0."""
    process.exit_on_terminate(0)
    await asyncio.Event().wait()
    return 0


IMAGE = Image(programs={"pause": pause}, entrypoint=("/pause",), size=320_000)
