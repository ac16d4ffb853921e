"""`python://package.module:callable`: any importable callable as an image.

Pulling such an image finds the module, without running any of it: that is the container's part,
in the pod's process. So a module that fails, exits or hangs when it is imported is a container
that does, with its traceback in the container's log.

The callable gets what it has parameters for: nothing, the arguments, or the arguments and the
environment. It may be a coroutine function or a plain function; a plain one holds the pod's
event loop until it returns. What it gives back is the exit status (None is 0), or an aiohttp
Application, which is then served at $PORT (8080). SIGTERM cancels it: exit status 143.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import os
import platform
import posixpath
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING, Final, TypeGuard

from componentbase.rpc import RpcError
from podruntime.images.busybox import APPLETS
from podruntime.images.image import Image
from podruntime.images.process import Process

if TYPE_CHECKING:
    from aiohttp import web

SCHEME: Final = "python://"
_TERMINATED: Final = 143
#: Of the machine: what libraries look up.
_MACHINES: Final = (
    "/proc",
    "/sys",
    "/etc/mime.types",
    "/etc/ssl",
    "/usr/lib/ssl",
    "/usr/share/ca-certificates",
    "/usr/share/zoneinfo",
)
#: Never the machine's, not even if there are modules in it: a container writes there.
_OWN: Final = ("/", "/dev", "/etc", "/home", "/root", "/tmp", "/usr", "/var", "/var/run")


def image(text: str) -> Image:
    """Return the image of a python:// name; raises RpcError when there is no such module."""
    module, _, name = text.removeprefix(SCHEME).partition(":")
    if not _exists(module):
        raise RpcError("NotFound", f'failed to pull image "{text}": No module named {module!r}')
    program = partial(_main, module=module, name=name or "main")
    return Image(programs={**APPLETS, "main": program}, entrypoint=("main",), layers=_layers())


def _layers() -> tuple[str, ...]:
    """Return the directories of the machine that Python code reads: its modules, what they need."""
    places = dict.fromkeys((sys.prefix, sys.base_prefix, *sys.path, *_MACHINES))
    return tuple(p for p in places if posixpath.isabs(p) and p not in _OWN and os.path.exists(p))


def _exists(module: str) -> bool:
    """Return whether *module* can be found; its packages are not imported for that."""
    name, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(name)
        places: Sequence[str] = sys.path
        for part in rest:
            if spec is None:
                return False
            places = _inside(spec, places)
            spec = PathFinder.find_spec(part, places)  # By its last name: no parent is asked for.
    except (ImportError, ValueError):
        return False
    return spec is not None


def _inside(package: ModuleSpec, places: Sequence[str]) -> list[str]:
    """Return where the modules of a *package* are that was found in *places*."""
    if package.loader is not None:
        return list(package.submodule_search_locations or ())
    # A namespace package's own list can only be asked once its parent is imported.
    return [os.path.join(place, package.name) for place in places]


async def _main(process: Process, module: str, name: str) -> int:
    target: object = importlib.import_module(module)
    for part in name.split("."):
        target = getattr(target, part, None)
    if not callable(target):
        process.complain(f"{SCHEME}{module}:{name}: the module has no such callable")
        return 1
    return await run(target, process)


async def _interpret(process: Process) -> int:
    """`python3 -c CODE` and `python3 FILE`: code that runs where its container's Python does."""
    words = process.arguments
    match words:
        case ["-c", code, *_]:
            name = "<string>"
        case [("-V" | "--version")]:
            process.print(f"Python {platform.python_version()}")
            return 0
        case [path, *_] if not path.startswith("-"):
            name = process.path(path)
            try:
                code = process.files.read(name).decode()
            except (OSError, UnicodeDecodeError) as error:
                process.complain(f"python3: can't open file '{name}': {error}")
                return 2
        case _:
            process.complain("python3: this one knows -c CODE, -V and FILE and nothing else")
            return 2
    try:
        compiled = compile(code, name, "exec")
    except (SyntaxError, ValueError) as error:
        process.complain(f"{type(error).__name__}: {error}")
        return 1
    process.exit_on_terminate(_TERMINATED)
    exec(compiled, {"__name__": "__main__"})
    return 0


def interpreter() -> Image:
    """Return the image `python`: its own interpreter is the pod's."""
    return Image(
        programs={**APPLETS, "python3": _interpret, "python": _interpret},
        cmd=("python3",),
        layers=_layers(),
        size=1_020_000_000,
    )


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
        await web.TCPSite(runner, None, port).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
