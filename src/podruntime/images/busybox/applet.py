"""How an applet fails: usage errors and errors of the kernel become a line and a status."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import wraps

from podruntime.images.busybox.arguments import BadUsage
from podruntime.images.process import Process, Program

Applet = Callable[[Process], Awaitable[int]]


def applet(program: Applet) -> Program:
    """Make a program of *program* that tells its errors as busybox does."""

    @wraps(program)
    async def run(process: Process) -> int:
        name = process.argv[0].rpartition("/")[2]
        try:
            return await program(process)
        except BadUsage as error:
            process.complain(f"{name}: {error}")
        except BrokenPipeError:
            raise
        except OSError as error:
            what = f"{error.filename}: " if error.filename else ""
            process.complain(f"{name}: {what}{error.strerror or os.strerror(error.errno or 0)}")
        return 1

    return run
