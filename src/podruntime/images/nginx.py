"""nginx: a welcome page, files from /usr/share/nginx/html, an access log in combined format.

Configuration files are not read. The official image's STOPSIGNAL is SIGQUIT, so what a runtime
sends to end it lets it finish the answers that it is at, and closes connections that are idle.
"""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from componentbase.clock import wall
from podruntime.images.busybox import APPLETS, CURL
from podruntime.images.http_server import HttpServer
from podruntime.images.image import Image
from podruntime.images.process import Process
from podruntime.images.static_site import Site, error_page

VERSION: Final = "1.27.3"
SIGNATURE: Final = f"nginx/{VERSION}"
ROOT: Final = "/usr/share/nginx/html"

#: `reload` and `reopen` change nothing where no configuration is read.
_SIGNALS: Final[Mapping[str, int]] = {
    "stop": signal.SIGTERM,
    "quit": signal.SIGQUIT,
    "reload": signal.SIGHUP,
    "reopen": signal.SIGUSR1,
}

_WELCOME: Final = """<!DOCTYPE html>
<html>
<head><title>Welcome to nginx!</title></head>
<body>
<h1>Welcome to nginx!</h1>
<p>This page comes from an emulated nginx in a Podwire pod. The web server answers;
what it serves next is up to you: put files below /usr/share/nginx/html.</p>
</body>
</html>
"""


async def nginx(process: Process, port: int = 80) -> int:
    """Serve until told to end."""
    if "-v" in process.arguments:
        process.complain(f"nginx version: nginx/{VERSION}")
        return 0
    if "-s" in process.arguments:
        return _signal(process, process.arguments[process.arguments.index("-s") + 1 :])
    site = Site(process, ROOT, SIGNATURE)
    server = HttpServer(site.answer, server_name=SIGNATURE, on_answer=site.log)
    ended = asyncio.Event()
    process.on_terminate = ended.set
    try:
        await server.start(port)
    except OSError as error:
        moment = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(wall()))
        process.complain(
            f"{moment} [emerg] 1#1: bind() to 0.0.0.0:{port} failed"
            f" ({error.errno}: Address already in use)"
        )
        return 1
    _notice(process, f"nginx/{VERSION}")
    _notice(process, "start worker processes")
    await ended.wait()
    _notice(process, "gracefully shutting down")
    await server.drain()
    _notice(process, "exit")
    return 0


def _signal(process: Process, words: list[str]) -> int:
    """`nginx -s quit`, as preStop hooks have it: tell the master process, PID 1."""
    number = _SIGNALS.get(words[0]) if words else None
    if number is None:
        process.complain(f'nginx: invalid option: "-s {" ".join(words[:1])}"')
        return 1
    if process.first is None or process.first.name != "nginx":
        process.complain('nginx: [error] invalid PID number "" in "/run/nginx.pid"')
        return 1
    process.first.signal(number)
    return 0


def _notice(process: Process, text: str) -> None:
    moment = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(wall()))
    process.complain(f"{moment} [notice] 1#1: {text}")


async def _unprivileged(process: Process) -> int:
    return await nginx(process, 8080)


async def _entrypoint(process: Process) -> int:
    """Run what follows, as /docker-entrypoint.sh does."""
    if not process.arguments:
        return 0
    program = process.programs.get(process.arguments[0].rpartition("/")[2])
    if program is None:
        process.complain(f"/docker-entrypoint.sh: exec: {process.arguments[0]}: not found")
        return 127
    process.argv = process.arguments
    return await program(process)


#: Versions up to 1.29 exist; a typo such as nginx:1.161 is "not found", as in the docs' example.
_TAGS: Final = re.compile(r"(latest|stable|mainline|alpine|perl|1(\.[12]?\d(\.\d+)?)?)(-.*)?")

IMAGE: Final = Image(
    programs={**APPLETS, **CURL.programs, "nginx": nginx, "docker-entrypoint.sh": _entrypoint},
    entrypoint=("/docker-entrypoint.sh",),
    cmd=("nginx", "-g", "daemon off;"),
    env={"NGINX_VERSION": VERSION},
    files={
        f"{ROOT}/index.html": _WELCOME,
        f"{ROOT}/50x.html": error_page("An error occurred.", SIGNATURE).decode(),
        "/etc/nginx/nginx.conf": "# This emulated nginx does not read its configuration.\n",
    },
    tags=_TAGS,
    size=72_000_000,
)
UNPRIVILEGED: Final = replace(IMAGE, programs={**IMAGE.programs, "nginx": _unprivileged}, tags=None)
#: What the examples of Kubernetes' documentation use, under tags of its own.
SLIM: Final = replace(IMAGE, tags=None)
