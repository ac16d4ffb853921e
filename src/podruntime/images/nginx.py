"""nginx: a welcome page, files from /usr/share/nginx/html, an access log in combined format.

Configuration files are not read. SIGTERM and SIGQUIT end it after the answers it is at.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from email.utils import formatdate, parsedate_to_datetime
from typing import Final

from componentbase.clock import wall
from podruntime.images.busybox import APPLETS, CURL
from podruntime.images.http_message import REASONS
from podruntime.images.http_server import HttpServer, Request, Response
from podruntime.images.image import Image
from podruntime.images.process import Process

VERSION: Final = "1.27.3"
ROOT: Final = "/usr/share/nginx/html"

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
_ERROR_PAGE: Final = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>nginx/{1}</center>\r\n</body>\r\n</html>\r\n"
)
_TYPES: Final[Mapping[str, str]] = {
    "html": "text/html",
    "htm": "text/html",
    "css": "text/css",
    "js": "application/javascript",
    "json": "application/json",
    "svg": "image/svg+xml",
    "txt": "text/plain",
    "xml": "text/xml",
}


class _Site:
    def __init__(self, process: Process) -> None:
        self._files, self._stdout = process.files, process.stdout

    def answer(self, request: Request) -> Response:
        """Serve a file, or an error page."""
        if request.method not in ("GET", "HEAD"):
            return _error(405)
        path = f"{ROOT}{request.path}"
        if ".." in request.path.split("/") or "\0" in path:
            return _error(400)
        if self._files.is_directory(path):
            if not request.path.endswith("/"):
                host = request.headers.get("Host")
                location = f"http://{host}{request.path}/"
                return replace(_error(301), headers=[("Location", location)])
            path = f"{path}index.html"
            if not self._files.is_file(path):
                return _error(403)
        if not self._files.is_file(path):
            return _error(404)
        return self._file(request, path)

    def _file(self, request: Request, path: str) -> Response:
        changed_at = self._files.changed_at(path)
        body = self._files.read(path)
        headers = [
            ("Last-Modified", formatdate(changed_at, usegmt=True)),
            ("ETag", f'"{int(changed_at):x}-{len(body):x}"'),
            ("Accept-Ranges", "bytes"),
        ]
        if _unchanged(request, changed_at, headers[1][1]):
            return Response(304, headers=headers[:2])
        kind = _TYPES.get(path.rpartition(".")[2], "application/octet-stream")
        return Response(200, body, kind, headers)

    def log(self, request: Request, response: Response) -> None:
        """Write one line in combined log format."""
        moment = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(wall()))
        line = f"{request.method} {request.target} {request.version}"
        octets = 0 if request.method == "HEAD" else len(response.body)
        referer, agent, forwarded = (
            request.headers.get(name, "-") for name in ("Referer", "User-Agent", "X-Forwarded-For")
        )
        self._stdout.write(
            f'{request.peer[0]} - - [{moment}] "{line}" {response.status} {octets}'
            f' "{referer}" "{agent}" "{forwarded}"\n'.encode("latin-1", "replace")
        )


def _unchanged(request: Request, changed_at: float, etag: str) -> bool:
    if "If-None-Match" in request.headers:
        return etag in request.headers.get("If-None-Match")
    since = request.headers.get("If-Modified-Since")
    try:
        return bool(since) and int(changed_at) <= parsedate_to_datetime(since).timestamp()
    except ValueError:
        return False


def _error(status: int) -> Response:
    title = f"{status} {REASONS[status]}"
    return Response(status, _ERROR_PAGE.format(title, VERSION).encode(), "text/html")


async def nginx(process: Process, port: int = 80) -> int:
    """Serve until told to end."""
    if "-v" in process.arguments:
        process.complain(f"nginx version: nginx/{VERSION}")
        return 0
    site = _Site(process)
    server = HttpServer(site.answer, server_name=f"nginx/{VERSION}", on_answer=site.log)
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
    await server.close()
    _notice(process, "exit")
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
        f"{ROOT}/50x.html": _ERROR_PAGE.format("An error occurred.", VERSION),
        "/etc/nginx/nginx.conf": "# This emulated nginx does not read its configuration.\n",
    },
    tags=_TAGS,
    size=72_000_000,
)
UNPRIVILEGED: Final = replace(IMAGE, programs={**IMAGE.programs, "nginx": _unprivileged}, tags=None)
