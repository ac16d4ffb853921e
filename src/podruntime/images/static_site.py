"""Static files over HTTP, as nginx and Apache serve them: types, validators, an access log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from email.utils import formatdate, parsedate_to_datetime
from typing import Final

from componentbase.clock import wall
from podruntime.images.http_message import REASONS
from podruntime.images.http_server import Request, Response
from podruntime.images.process import Process

_ERROR_PAGE: Final = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>{1}</center>\r\n</body>\r\n</html>\r\n"
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


class Site:
    """The files below *root*, served by what calls itself *signature*."""

    def __init__(self, process: Process, root: str, signature: str) -> None:
        self._files, self._stdout = process.files, process.stdout
        self._root, self._signature = root, signature

    def answer(self, request: Request) -> Response:
        """Serve a file, or an error page."""
        if request.method not in ("GET", "HEAD"):
            return self._error(405)
        path = f"{self._root}{request.path}"
        if ".." in request.path.split("/") or "\0" in path:
            return self._error(400)
        if self._files.is_directory(path):
            if not request.path.endswith("/"):
                host = request.headers.get("Host")
                location = f"http://{host}{request.path}/"
                return replace(self._error(301), headers=[("Location", location)])
            path = f"{path}index.html"
            if not self._files.is_file(path):
                return self._error(403)
        if not self._files.is_file(path):
            return self._error(404)
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

    def _error(self, status: int) -> Response:
        return Response(
            status, error_page(f"{status} {REASONS[status]}", self._signature), "text/html"
        )

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


def error_page(title: str, signature: str) -> bytes:
    """Return a page that says *title*."""
    return _ERROR_PAGE.format(title, signature).encode()
