"""`python://package.module:callable`: any importable callable as an image.

The callable gets what it has parameters for: nothing, the arguments, or the arguments and the
environment. It may be a coroutine function or a plain function; a plain one holds the pod's
event loop until it returns. What it gives back is the exit status (None is 0), or an aiohttp
Application, which is then served at $PORT (8080). SIGTERM cancels it: exit status 143.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeGuard

from componentbase.rpc import RpcError
from podruntime.images.image import Image
from podruntime.images.process import Process

if TYPE_CHECKING:
    from aiohttp import web

SCHEME: Final = "python://"
_TERMINATED: Final = 143


def image(text: str) -> Image:
    """Return the image of a python:// name; raises RpcError when nothing is there."""
    module, _, name = text.removeprefix(SCHEME).partition(":")
    try:
        target: object = importlib.import_module(module)
        for part in (name or "main").split("."):
            target = getattr(target, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise RpcError("NotFound", f'failed to pull image "{text}": {error}') from None
    if not callable(target):
        raise RpcError("NotFound", f'failed to pull image "{text}": not callable')
    return Image(programs={"main": partial(run, target)}, entrypoint=("main",))


async def run(target: Callable[..., object], process: Process) -> int:
    """Call *target* and turn what it gives back into an exit status."""
    process.exit_on_terminate(_TERMINATED)
    wanted = _positional(target)
    result = target(*(process.arguments, dict(process.env))[:wanted])
    if inspect.isawaitable(result):
        result = await result
    if _is_application(result):
        port = process.env.get("PORT", "")
        await _serve(result, int(port) if port.isdigit() else 8080)
    if isinstance(result, int):
        return int(result)
    return 0


def _positional(target: Callable[..., object]) -> int:
    """Return how many of (arguments, environment) *target* takes."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return 0
    return min(2, sum(each.kind in kinds for each in parameters))


def _is_application(result: object) -> TypeGuard[web.Application]:
    from aiohttp import web

    return isinstance(result, web.Application)


async def _serve(application: web.Application, port: int) -> None:
    from aiohttp import web

    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "0.0.0.0", port).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
