"""registry.k8s.io/ingress-nginx/controller: HTTP from outside to Services.

The program is a package of its own that this one does not know, found by its name when a container
starts, as the DNS server's is (`coredns`). Upstream's image begins with dumb-init, so `args` of its
manifests begin with the program's name; it may also be named as `command`.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import Final

from podruntime.images.image import Image
from podruntime.images.process import Process, find_program

_PROGRAM: Final = "ingresscontroller.run"


async def _controller(process: Process) -> int:
    stop = asyncio.Event()
    process.on_terminate = stop.set
    program = importlib.import_module(_PROGRAM)
    status: int = await program.serve(process.arguments, process.env, stop)
    return status


async def _dumb_init(process: Process) -> int:
    """Become the program that the arguments name; a pod's process needs no reaper."""
    words = process.arguments[1:] if process.arguments[:1] == ["--"] else process.arguments
    program = find_program(_PROGRAMS, words[0]) if words else None
    if program is None:
        process.complain(f"[dumb-init] {' '.join(words[:1])}: No such file or directory")
        return 2
    process.argv = words
    return await program(process)


_PROGRAMS: Final = {"nginx-ingress-controller": _controller}
IMAGE: Final = Image(
    programs={**_PROGRAMS, "dumb-init": _dumb_init},
    entrypoint=("/usr/bin/dumb-init", "--"),
    cmd=("/nginx-ingress-controller",),
)
