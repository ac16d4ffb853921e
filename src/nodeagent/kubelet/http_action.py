"""An httpGet of a probe or a hook (upstream: pkg/probe/http, kubelet/lifecycle).

Redirects are followed while they stay at the same host; certificates are not verified. Of a body
no more than what upstream keeps is read. Unlike Go, no Referer is sent, and a chunked body is kept
as it came.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urljoin, urlsplit

from kubeapi.objects import Object
from nodeagent.hostnet import HostNet, Streams, join_host_port

#: How much of a body is read: what upstream keeps for its events.
_BODY_MAX: Final = 10 * 1024
_HEADERS_MAX: Final = 64 * 1024
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_REDIRECTS_MAX: Final = 10
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_PLAIN_ANSWER: Final = "http: server gave HTTP response to HTTPS client"
#: What OpenSSL calls a server that does not speak TLS.
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")


class HttpError(Exception):
    """There is no answer; the text is Go's, with the URL."""


class PlainHttpError(HttpError):
    """Asked by HTTPS, the server answered by HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """Where a request goes."""

    scheme: str
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        return join_host_port(self.host, self.port)

    def joined(self, location: str) -> Url:
        """Return where a Location leads from here; raises ValueError."""
        parts = urlsplit(urljoin(str(self), location))
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f'unsupported protocol scheme "{parts.scheme}"')
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        return Url(scheme=parts.scheme, host=parts.hostname, port=port, path=path)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpGet:
    """A request, ready to be sent."""

    url: Url
    #: In their order; a name may come more than once.
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, action: Object, host: str, port: int, agent: str) -> HttpGet:
        """Read v1.HTTPGetAction; *host* is the pod's address where it names none."""
        scheme = (action.get("scheme") or "HTTP").lower()
        path = action.get("path") or "/"
        path = path if path.startswith("/") else f"/{path}"
        url = Url(scheme=scheme, host=action.get("host") or host, port=port, path=path)
        given = [
            (each["name"], each.get("value") or "") for each in action.get("httpHeaders") or ()
        ]
        names = {name.lower() for name, _ in given}
        defaults = (("User-Agent", f"{agent}/1.32"), ("Accept", "*/*"))
        added = [each for each in defaults if each[0].lower() not in names]
        # An empty one of these two takes it away.
        kept = [
            each for each in given if each[1] or each[0].lower() not in ("user-agent", "accept")
        ]
        return cls(url=url, headers=(*added, *kept))

    def redirected(self, url: Url, *, named: bool) -> HttpGet:
        """Return the request to *url*; a Host that was given ends where a host is *named*."""
        kept = [each for each in self.headers if not named or each[0].lower() != "host"]
        return replace(self, url=url, headers=tuple(kept))

    def octets(self) -> bytes:
        """Return the request as it is sent."""
        hosts = [value for name, value in self.headers if name.lower() == "host" and value]
        lines = [f"GET {self.url.path} HTTP/1.1", f"Host: {(hosts or [self.url.authority])[0]}"]
        lines += [f"{name}: {text}" for name, text in self.headers if name.lower() != "host"]
        return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back, after redirects."""

    code: int
    body: str

    @property
    def is_redirect(self) -> bool:
        return 300 <= self.code < 400


async def fetch(hostnet: HostNet, get: HttpGet, timeout_s: float) -> HttpAnswer:
    """Ask, and follow redirects at the same host; raises HttpError, TimeoutError."""
    for _ in range(_REDIRECTS_MAX):
        code, headers, body = await _ask(hostnet, get, timeout_s)
        location = headers.get("location")
        if code not in _REDIRECTS or not location:
            return HttpAnswer(code, body)
        try:
            url = get.url.joined(location)
        except ValueError as error:
            raise HttpError(f'Get "{location}": {error}') from None
        if url.host != get.url.host:
            return HttpAnswer(code, body)
        get = get.redirected(url, named=bool(urlsplit(location).netloc))
    raise HttpError(f'Get "{get.url}": stopped after {_REDIRECTS_MAX} redirects')


async def _ask(
    hostnet: HostNet, get: HttpGet, timeout_s: float
) -> tuple[int, Mapping[str, str], str]:
    """Return code, headers and the beginning of the body."""
    try:
        async with hostnet.connect(get.url.host, get.url.port, timeout_s) as streams:
            if get.url.scheme == "https":
                await _start_tls(streams)
            return await _exchange(streams, get)
    except ssl.SSLError as error:
        if error.reason in _NO_TLS:
            raise PlainHttpError(f'Get "{get.url}": {_PLAIN_ANSWER}') from None
        raise HttpError(f'Get "{get.url}": {error.strerror or error}') from None
    except TimeoutError:
        raise
    except (OSError, ValueError, asyncio.IncompleteReadError) as error:
        text = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise HttpError(f'Get "{get.url}": {text}') from None


async def _start_tls(streams: Streams) -> None:
    """Begin TLS with whoever is there (upstream does not verify either)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    await streams[1].start_tls(context)


async def _exchange(streams: Streams, get: HttpGet) -> tuple[int, Mapping[str, str], str]:
    reader, writer = streams
    writer.write(get.octets())
    status = await reader.readline()
    words = status.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ConnectionResetError("EOF" if not status else "malformed HTTP response")
    headers = await _headers(reader)
    length = headers.get("content-length", "")
    wanted = min(int(length), _BODY_MAX) if length.isdecimal() else _BODY_MAX
    body = await _read_most(reader, wanted) if wanted else b""
    return int(words[1]), headers, body.decode(errors="replace")


async def _headers(reader: asyncio.StreamReader) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    left = _HEADERS_MAX
    while line := (await reader.readline()).rstrip(b"\r\n"):
        left -= len(line)
        if left < 0:
            raise ValueError("net/http: server response headers exceeded 65536 bytes; aborted")
        name, _, value = line.decode("latin-1").partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    return headers


async def _read_most(reader: asyncio.StreamReader, wanted: int) -> bytes:
    """Return *wanted* octets, fewer where the body ends before."""
    body = b""
    while len(body) < wanted and (octets := await reader.read(wanted - len(body))):
        body += octets
    return body
