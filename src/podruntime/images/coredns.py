"""registry.k8s.io/coredns/coredns: the cluster's DNS server.

The program is a package of its own that this one does not know: it is found by its name when a
container starts, in the pod's process, and no other pod pays for it.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import Final

from podruntime.images.image import Image
from podruntime.images.process import Process

_PROGRAM: Final = "clusterdns.run"


async def _coredns(process: Process) -> int:
    stop = asyncio.Event()
    process.on_terminate = stop.set
    program = importlib.import_module(_PROGRAM)
    status: int = await program.serve(process.arguments, process.env, stop)
    return status


IMAGE: Final = Image(programs={"coredns": _coredns}, entrypoint=("/coredns",))
