"""The proxy subresources of pods, services and nodes: a request handed on, whatever it is.

Upstream: apimachinery/util/proxy (UpgradeAwareHandler). The API server has no foot in the pods'
network: the kubelet of the endpoint's node dials for it (contracts.md §21), so an endpoint sees its
node as the client. Requests to upgrade are octets both ways from their first answer on.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMsgType, web
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict
from yarl import URL

from componentbase.tasks import Tasks
from componentbase.ways import until_all_end, until_first_ends
from controlplane.apiserver.streams import location
from controlplane.apiserver.streams.upgrade import began
from controlplane.apiserver.streams.wire import RawWire, Said, taken_over
from kubeapi.status import service_unavailable

if TYPE_CHECKING:
    from aiohttp.tracing import Trace

_READ_OCTETS: Final = 64 * 1024
#: A page above this goes on as it is: its links are not read.
_PAGE_OCTETS_MAX: Final = 4 * 1024 * 1024
_HEADERS_S: Final = 300.0
#: Parts of a path up to `proxy`: api/v1/namespaces/NS/pods/NAME/proxy, api/v1/nodes/NAME/proxy.
_NAMESPACED_PARTS: Final = 7
_CLUSTER_PARTS: Final = 5

#: Connects to the endpoint; raises StatusError.
Dial = Callable[[], Awaitable[ClientWebSocketResponse]]
#: Hands a request on: method, path and query, headers, body.
Send = Callable[
    [str, str, CIMultiDict[str], AsyncIterator[bytes] | None], Awaitable[aiohttp.ClientResponse]
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The path behind the proxy, and the proxy's own in front of it."""

    scheme: str
    authority: str
    path: str  # Still quoted, with its query; "" is a request without even a slash.
    prefix: str


def route_of(raw_path: str, scheme: str, authority: str) -> Route:
    """Cut a request's path behind `/proxy`."""
    path, mark, query = raw_path.partition("?")
    parts = path.lstrip("/").split("/")
    own = _NAMESPACED_PARTS if parts[2] == "namespaces" else _CLUSTER_PARTS
    rest = "".join(f"/{part}" for part in parts[own:])
    prefix = "/" + "/".join(parts[:own])
    return Route(scheme=scheme, authority=authority, path=rest + mark + query, prefix=prefix)


async def serve(http: web.BaseRequest, route: Route, dial: Dial) -> web.StreamResponse:
    """Hand *http* on to who *dial* reaches; raises StatusError as long as nothing was said."""
    if _wants_slash(http, route):
        return _redirect(route)
    if "upgrade" in http.headers.get("Connection", "").lower():
        return await _serve_upgrade(http, route, dial)
    connector = _Tunnels(dial)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_HEADERS_S)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, auto_decompress=False
    ) as session:

        async def send(
            method: str,
            path: str,
            headers: CIMultiDict[str],
            body: AsyncIterator[bytes] | None,
        ) -> aiohttp.ClientResponse:
            url = URL(f"{route.scheme}://{route.authority}{path}", encoded=True)
            return await session.request(
                method, url, headers=headers, data=body, allow_redirects=False, ssl=False
            )

        try:
            return await hand_on(http, route, send)
        finally:
            await connector.hang_up()


def _wants_slash(http: web.BaseRequest, route: Route) -> bool:
    return route.path.partition("?")[0] == "" and http.method in ("GET", "HEAD")


def _redirect(route: Route) -> web.Response:
    """Send a client to the path with a slash: a page's links are relative to it."""
    mark, query = route.path.partition("?")[1:]
    place = f"{route.prefix}/{mark}{query}"
    return web.Response(status=301, headers={"Location": place})


async def hand_on(http: web.BaseRequest, route: Route, send: Send) -> web.StreamResponse:
    """Send the request, and its answer back; raises StatusError as long as nothing was said."""
    if _wants_slash(http, route):
        return _redirect(route)
    path = route.path if route.path.startswith("/") else f"/{route.path}"
    body = http.content.iter_any() if http.body_exists else None
    try:
        answer = await send(http.method, path, _headers(http, route), body)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        why = str(error) or type(error).__name__
        raise service_unavailable(f"error trying to reach service: {why}") from None
    async with answer:
        return await _answer(http, route, answer)


def _headers(http: web.BaseRequest, route: Route) -> CIMultiDict[str]:
    headers = CIMultiDict(location.request_headers(http.headers.items()))
    headers["Host"] = http.headers.get("Host", route.authority)
    client = (http.transport.get_extra_info("peername") or ("",))[0] if http.transport else ""
    before = headers.get("X-Forwarded-For", "")
    headers["X-Forwarded-For"] = f"{before}, {client}" if before else client
    headers["X-Forwarded-Host"] = http.headers.get("Host", "")
    headers["X-Forwarded-Proto"] = "https"
    headers["X-Forwarded-Uri"] = http.raw_path.partition("?")[0]
    return headers


async def _answer(
    http: web.BaseRequest, route: Route, answer: aiohttp.ClientResponse
) -> web.StreamResponse:
    headers = CIMultiDict(location.answer_headers(answer.headers.items()))
    if "Location" in headers:
        hosts = (route.authority, http.headers.get("Host", ""))
        headers["Location"] = location.rewritten(headers["Location"], route.prefix, hosts)
    page = await _page(route, answer) if location.is_page(answer.headers) else None
    if page is not None and http.method != "HEAD":
        headers["Content-Length"] = str(len(page))
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    try:
        began(http, answer.status)
        await response.prepare(http)
        if page is not None:
            await response.write(page)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    except ConnectionError:
        pass  # The client has gone.
    except (aiohttp.ClientError, OSError):
        if http.transport is not None:
            http.transport.abort()  # Cut short, as the answer was.
    return response


async def _page(route: Route, answer: aiohttp.ClientResponse) -> bytes | None:
    """Return a page with its links made anew, None for one that is too long to hold."""
    if (answer.content_length or 0) > _PAGE_OCTETS_MAX:
        return None
    try:
        page = await answer.content.read(_PAGE_OCTETS_MAX)
        while not answer.content.at_eof() and len(page) < _PAGE_OCTETS_MAX:
            page += await answer.content.read(_PAGE_OCTETS_MAX - len(page))
    except (aiohttp.ClientError, OSError) as error:
        raise service_unavailable(f"error trying to reach service: {error}") from None
    return location.rewrite_html(page, route.prefix)


# --- upgrades


async def _serve_upgrade(http: web.BaseRequest, route: Route, dial: Dial) -> web.StreamResponse:
    ws = await dial()
    tasks = Tasks()
    try:
        near = _socket_of(ws, tasks)
        secure = _unverified() if route.scheme == "https" else None
        reader, writer = await asyncio.open_connection(
            sock=near, ssl=secure, server_hostname="" if secure else None
        )
        writer.write(_head(http, route))
        async with taken_over(http) as wire:
            await until_first_ends(_copy(wire.reader, writer), _copy_to(reader, wire))
        writer.close()
    except ConnectionError:
        pass  # One of the two has gone.
    finally:
        await tasks.close()
        await ws.close()
    return Said()


def _head(http: web.BaseRequest, route: Route) -> bytes:
    headers = _headers(http, route)
    headers["Connection"] = "Upgrade"
    headers["Upgrade"] = http.headers.get("Upgrade", "")
    path = route.path if route.path.startswith("/") else f"/{route.path}"
    lines = [f"{http.method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while octets := await reader.read(_READ_OCTETS):
        writer.write(octets)
        await writer.drain()


async def _copy_to(reader: asyncio.StreamReader, wire: RawWire) -> None:
    while octets := await reader.read(_READ_OCTETS):
        await wire.send(octets)


# --- connections by a kubelet


class _Tunnels(aiohttp.BaseConnector):
    """Connections that a kubelet dials, as aiohttp's client wants them."""

    def __init__(self, dial: Dial) -> None:
        super().__init__(force_close=True)
        self._dial = dial
        self._tasks = Tasks()
        self._open: list[ClientWebSocketResponse] = []

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        ws = await self._dial()
        self._open.append(ws)
        near = _socket_of(ws, self._tasks)
        secure = _unverified() if req.url.scheme == "https" else None
        _, protocol = await self._loop.create_connection(
            self._factory, sock=near, ssl=secure, server_hostname="" if secure else None
        )
        return protocol

    async def hang_up(self) -> None:
        """End every connection."""
        await self._tasks.close()
        for ws in self._open:
            await ws.close()


def _unverified() -> ssl.SSLContext:
    """Pods' certificates are not verified (upstream's proxy does not, either)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _socket_of(ws: ClientWebSocketResponse, tasks: Tasks) -> socket.socket:
    """Return a socket whose octets are *ws*'s; *tasks* carry them."""
    near, far = socket.socketpair()
    for each in (near, far):
        each.setblocking(False)
    tasks.spawn(_pump(ws, far), name="tunnel")
    return near


async def _pump(ws: ClientWebSocketResponse, far: socket.socket) -> None:
    async with _streams(far) as (reader, writer):
        await until_all_end(_to_kubelet(reader, ws), _from_kubelet(ws, writer))


@asynccontextmanager
async def _streams(
    far: socket.socket,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(sock=far)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _to_kubelet(reader: asyncio.StreamReader, ws: ClientWebSocketResponse) -> None:
    while octets := await reader.read(_READ_OCTETS):
        await ws.send_bytes(octets)
    await ws.send_bytes(b"")


async def _from_kubelet(ws: ClientWebSocketResponse, writer: asyncio.StreamWriter) -> None:
    while (message := await ws.receive()).type is WSMsgType.BINARY and message.data:
        writer.write(message.data)
        await writer.drain()
    writer.write_eof()
