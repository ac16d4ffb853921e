"""wget and httpd."""

from __future__ import annotations

import asyncio
import posixpath
import socket
import ssl
from typing import Final

from componentbase.tasks import Tasks
from podruntime.images.addresses import join_host_port
from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import BadUsage, parse
from podruntime.images.http_client import Answer, BadUrl, Url, anybody, fetch
from podruntime.images.http_message import MalformedMessage
from podruntime.images.http_server import HttpServer, Request, Response, serve_forever
from podruntime.images.process import Process, Program

_REDIRECTS_MAX: Final = 5
#: httpd without -f goes to the background; its container's end ends it.
_DAEMONS: Final = Tasks()
_TIMEOUT_S: Final = 900.0
_LONG: Final = {
    "spider": "s",
    "timeout=": "T",
    "tries=": "t",
    "quiet": "q",
    "output-document=": "O",
    "header=": "H",
    "post-data=": "P",
    "no-check-certificate": "N",
    "user-agent=": "U",
}


@applet
async def wget(process: Process) -> int:
    """Fetch a URL into a file or to stdout."""
    arguments = parse(process.arguments, "qO:T:t:SscU:Y:P:H:", _LONG)
    if not arguments.operands:
        raise BadUsage("missing URL")
    text = arguments.operands[0]
    headers = {"User-Agent": arguments.value("U", "Wget")}
    for line in arguments.all_values.get("H", []):
        name, _, value = line.partition(":")
        headers[name.strip()] = value.strip()
    body = arguments.value("P").encode()
    timeout_s = arguments.number("T", _TIMEOUT_S)
    for _ in range(_REDIRECTS_MAX):
        url = _url(text)
        if "q" not in arguments:
            process.complain(
                f"Connecting to {url.authority} ({join_host_port(url.host, url.port)})"
            )
        if url.scheme == "https" and "N" not in arguments:
            process.complain("wget: note: TLS certificate validation not implemented")
        answer = await _fetch(url, headers, body, timeout_s)
        if "S" in arguments:
            _show_head(process, answer)
        location = answer.head.headers.get("Location")
        if answer.status not in (301, 302, 303, 307, 308) or not location:
            break
        text = location if "://" in location else f"{url.origin}{location}"
    if not 200 <= answer.status < 300:
        raise BadUsage(
            f"server returned error: {answer.head.first} {answer.status} {answer.head.third}"
        )
    if "s" in arguments:
        if "q" not in arguments:
            process.complain("remote file exists")
        return 0
    _save(process, answer, text, arguments.value("O"), quiet="q" in arguments)
    return 0


def _url(text: str) -> Url:
    try:
        return Url.parse(text)
    except BadUrl as error:
        raise BadUsage(str(error)) from None


async def _fetch(url: Url, headers: dict[str, str], body: bytes, timeout_s: float) -> Answer:
    """Fetch, with the errors that busybox shows."""
    method, tls = "POST" if body else "GET", anybody() if url.scheme == "https" else None
    try:
        async with asyncio.timeout(timeout_s):
            return await fetch(url, method=method, headers=headers, body=body, tls=tls)
    except ssl.SSLError:
        raise BadUsage("TLS error from peer") from None
    except socket.gaierror:
        raise BadUsage(f"bad address '{url.authority}'") from None
    except TimeoutError:
        raise BadUsage("download timed out") from None
    except ConnectionResetError:
        raise BadUsage("error getting response") from None
    except MalformedMessage as error:
        raise BadUsage(f"bad answer: {error}") from None
    except OSError as error:
        refused = isinstance(error, ConnectionRefusedError)
        reason = "Connection refused" if refused else error.strerror
        raise BadUsage(f"can't connect to remote host ({url.host}): {reason}") from None


def _show_head(process: Process, answer: Answer) -> None:
    process.complain(f"  {answer.head.first} {answer.head.second} {answer.head.third}")
    for name, value in answer.head.headers.fields:
        process.complain(f"  {name}: {value}")


def _save(process: Process, answer: Answer, url: str, target: str, *, quiet: bool) -> None:
    if target == "-":
        process.stdout.write(answer.body)
        return
    name = target or posixpath.basename(_url(url).target.partition("?")[0]) or "index.html"
    if not quiet:
        process.complain(f"saving to '{name}'\n'{name}' saved")
    process.files.write(process.path(name), answer.body)


@applet
async def httpd(process: Process) -> int:
    """Serve the files below a directory."""
    arguments = parse(process.arguments, "fvp:h:c:u:")
    root = process.path(arguments.value("h", "."))
    address, _, port = arguments.value("p", "80").rpartition(":")
    if not port.isdigit():
        raise BadUsage(f"invalid port '{port}'")

    def answer(request: Request) -> Response:
        path = posixpath.join(root, request.path.lstrip("/"))
        if ".." in request.path.split("/"):
            return Response(400, b"400 Bad Request\n", "text/html")
        if process.files.is_directory(path):
            path = posixpath.join(path, "index.html")
        if not process.files.is_file(path):
            return Response(404, b"404 Not Found\nThe requested URL was not found\n", "text/html")
        return Response(200, process.files.read(path), "text/html")

    serving = serve_forever(HttpServer(answer), int(port), address.strip("[]") or None)
    if "f" in arguments:
        await serving
    else:
        _DAEMONS.spawn(serving, name="httpd")
    return 0


APPLETS: Final[dict[str, Program]] = {"httpd": httpd, "wget": wget}
