"""curl: the options that manifests, docs and probes use. http and https."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import time
from typing import Final

from podruntime.images.busybox import arguments as getopt
from podruntime.images.http_client import Answer, BadUrl, Url, anybody, fetch
from podruntime.images.http_message import MalformedMessage
from podruntime.images.process import Process, find_program

_REDIRECTS_MAX: Final = 50
_LONG: Final = {
    "silent": "s", "show-error": "S", "output=": "o", "write-out=": "w", "max-time=": "m",
    "connect-timeout=": "c", "head": "I", "include": "i", "location": "L", "fail": "f",
    "request=": "X", "header=": "H", "data=": "d", "data-raw=": "d", "json=": "j",
    "verbose": "v", "insecure": "k", "retry=": "r", "user-agent=": "A", "version": "V",
    "ipv4": "4", "ipv6": "6", "globoff": "g",
    "no-progress-meter": "s", "cacert=": "a", "retry-delay=": "R", "retry-connrefused": "C",
    "disable": "q", "interface=": "n",
}  # fmt: skip
_SHORT: Final = "sSo:w:m:IiLfX:H:d:vkA:VO46gNq"
_FAMILIES: Final = {"6": socket.AF_INET6, "4": socket.AF_INET}
#: curl's exit codes.
_BAD_USAGE, _BAD_URL, _NO_HOST, _NO_CONNECT, _HTTP_ERROR, _TIMED_OUT = 2, 3, 6, 7, 22, 28
_EMPTY_REPLY, _RECV_ERROR, _UNTRUSTED, _BAD_AUTHORITY, _NO_TLS = 52, 56, 60, 77, 35


class _Failed(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"curl: ({code}) {text}")
        self.code = code


async def entrypoint(process: Process) -> int:
    """Run a program when the first word is one, else curl, as the image's entrypoint.sh."""
    words = process.arguments
    program = find_program(process.programs, words[0]) if words else None
    if program is None:
        return await curl(process.child(["curl", *words]))
    return await program(process.child(words))


async def curl(process: Process) -> int:
    """Fetch URLs."""
    try:
        options = getopt.parse(process.arguments, _SHORT, _LONG)
    except getopt.BadUsage as error:
        process.complain(f"curl: {error}\ncurl: try 'curl --help' for more information")
        return _BAD_USAGE
    if "V" in options:
        process.print("curl 8.11.0 (emulated)\nProtocols: http https")
        return 0
    if not options.operands:
        process.complain("curl: (2) no URL specified")
        return _BAD_USAGE
    status = 0
    for text in options.operands:
        status = await _transfer(process, options, text)
    return status


async def _transfer(process: Process, options: getopt.Arguments, text: str) -> int:
    started = time.monotonic()
    facts = {"http_code": "000", "size_download": "0", "url": text, "remote_ip": ""}
    status = 0
    try:
        answer = await _bounded(process, options, text)
        facts |= {
            "http_code": f"{answer.status:03d}",
            "size_download": str(len(answer.body)),
            "remote_ip": answer.peer[0],
            "remote_port": str(answer.peer[1]),
            "local_ip": answer.local[0],
            "content_type": answer.head.headers.get("Content-Type"),
        }
        _write(process, options, answer)
    except _Failed as error:
        status = error.code
        if "s" not in options or "S" in options:
            process.complain(str(error))
    facts["exitcode"] = str(status)
    facts["time_total"] = f"{time.monotonic() - started:.6f}"
    form = options.value("w").replace("\\n", "\n").replace("\\t", "\t")
    shown = re.sub(
        r"%\{(\w+)\}", lambda match: facts.get(_ALIASES.get(match[1], match[1]), ""), form
    )
    process.stdout.write(shown.encode())
    return status


_ALIASES: Final = {"response_code": "http_code", "time_starttransfer": "time_total"}


async def _bounded(process: Process, options: getopt.Arguments, text: str) -> Answer:
    retries = int(options.number("r", 0))
    while True:
        try:
            return await _once(process, options, text)
        except _Failed as error:
            if retries <= 0 or error.code not in (_NO_CONNECT, _TIMED_OUT):
                raise
        retries -= 1
        await asyncio.sleep(options.number("R", 1))


async def _once(process: Process, options: getopt.Arguments, text: str) -> Answer:
    limit_s = options.number("m", 0) or options.number("c", 0) or None
    try:
        async with asyncio.timeout(limit_s):
            answer = await _follow(process, options, text)
    except TimeoutError:
        spent = int((limit_s or 0) * 1000)
        raise _Failed(_TIMED_OUT, f"Connection timed out after {spent} milliseconds") from None
    if "f" in options and answer.status >= 400:
        raise _Failed(_HTTP_ERROR, f"The requested URL returned error: {answer.status}")
    return answer


async def _follow(process: Process, options: getopt.Arguments, text: str) -> Answer:
    for _ in range(_REDIRECTS_MAX):
        url = _url(text)
        answer = await _fetch(process, options, url)
        location = answer.head.headers.get("Location")
        if "L" not in options or not location or not 300 <= answer.status < 400:
            return answer
        text = location if "://" in location else f"{url.origin}{location}"
    raise _Failed(47, f"Maximum ({_REDIRECTS_MAX}) redirects followed")


def _url(text: str) -> Url:
    try:
        return Url.parse(text)
    except BadUrl:
        raise _Failed(_BAD_URL, "URL rejected: Malformed input to a URL function") from None


async def _fetch(process: Process, options: getopt.Arguments, url: Url) -> Answer:
    headers = {"User-Agent": options.value("A", "curl/8.11.0"), "Accept": "*/*"}
    body = "&".join(options.all_values.get("d", [])).encode()
    if body:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if "j" in options:
        body = options.value("j").encode()
        headers["Content-Type"] = "application/json"
    for line in options.all_values.get("H", []):
        name, _, value = line.partition(":")
        headers[name.strip()] = value.strip()
    method = options.value("X") or ("HEAD" if "I" in options else "POST" if body else "GET")
    family = next((_FAMILIES[flag] for flag in _FAMILIES if flag in options), socket.AF_UNSPEC)
    tls = _trust(process, options) if url.scheme == "https" else None
    try:
        return await fetch(
            url,
            method=method,
            headers=headers,
            body=body,
            family=family,
            tls=tls,
            source=options.value("n"),
        )
    except ssl.SSLCertVerificationError as error:
        raise _Failed(_UNTRUSTED, f"SSL certificate problem: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise _Failed(_NO_TLS, f"TLS connect error: {error.reason or error}") from None
    except socket.gaierror:
        raise _Failed(_NO_HOST, f"Could not resolve host: {url.host}") from None
    except ConnectionResetError as error:
        empty = "before an answer" in str(error)
        code = _EMPTY_REPLY if empty else _RECV_ERROR
        raise _Failed(code, "Empty reply from server" if empty else str(error)) from None
    except MalformedMessage as error:
        raise _Failed(1, f"Unsupported or malformed answer: {error}") from None
    except TimeoutError as error:
        if error.errno is None:
            raise
        raise _Failed(_TIMED_OUT, f"Failed to connect to {url.host} port {url.port}") from None
    except OSError as error:
        raise _Failed(
            _NO_CONNECT,
            f"Failed to connect to {url.host} port {url.port}: {error.strerror or error}",
        ) from None


def _trust(process: Process, options: getopt.Arguments) -> ssl.SSLContext:
    """Return whom to believe: --cacert's authorities, else the system's; with -k anybody."""
    if "k" in options:
        return anybody()
    file = options.value("a")
    if not file:
        return ssl.create_default_context()
    try:
        known = process.files.read(process.path(file)).decode()
        return ssl.create_default_context(cadata=known or "empty")
    except (OSError, ValueError):  # ssl.SSLError is an OSError.
        raise _Failed(
            _BAD_AUTHORITY, f"error setting certificate verify locations: CAfile: {file}"
        ) from None


def _write(process: Process, options: getopt.Arguments, answer: Answer) -> None:
    output = b""
    if "I" in options or "i" in options:
        lines = [f"{answer.head.first} {answer.head.second} {answer.head.third}"]
        lines += [f"{name}: {value}" for name, value in answer.head.headers.fields]
        output = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
    output += answer.body
    target = options.value("o", "-")
    if target == "-":
        process.stdout.write(output)
    else:
        process.files.write(process.path(target), output)
