"""Asks webhooks over HTTPS, and keeps connections to them (apiserver/pkg/util/webhook).

A Service is asked at its ClusterIP, under the name `service.namespace.svc`. What is no loopback
address is an address of the cluster's: a kubelet dials it from its node's own stack.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.tracing import Trace

from controlplane.apiserver import keys
from controlplane.apiserver.admission.webhook.hooks import Client
from controlplane.apiserver.cacher import Cacher
from kubeapi.objects import Object
from kubeapi.resources import SERVICES

#: How many webhooks' connections are kept, and how long an idle one is.
_SESSIONS_MAX: Final = 64
_IDLE_S: Final = 30.0
_CONNECTIONS_MAX: Final = 100
_ANSWER_MAX: Final = 3 * 1024 * 1024

#: Connects to an address of the cluster's; raises OSError.
Dial = Callable[[str, int], Awaitable[socket.socket]]


class CallFailed(Exception):
    """A webhook could not be asked, or gave no answer."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where to connect, and under which name."""

    address: str
    port: int
    server_name: str


class _Connector(aiohttp.BaseConnector):
    """Connects to one place, whatever the request's URL names."""

    def __init__(self, place: _Place, context: ssl.SSLContext, dial: Dial) -> None:
        super().__init__(keepalive_timeout=_IDLE_S, limit=_CONNECTIONS_MAX)
        self._place, self._context, self._dial = place, context, dial

    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        place, loop = self._place, asyncio.get_running_loop()
        try:
            connected = await self._dial(place.address, place.port)
            _, protocol = await loop.create_connection(
                lambda: ResponseHandler(loop),
                sock=connected,
                ssl=self._context,
                server_hostname=place.server_name,
            )
        except ssl.SSLCertVerificationError as error:
            why = f"tls: failed to verify certificate: x509: {error.verify_message}"
            raise CallFailed(why) from None
        except ssl.SSLError as error:
            raise CallFailed(f"tls: {error.reason or error}") from None
        return protocol


class WebhookClient:
    """Sends reviews."""

    def __init__(self, cacher: Cacher, dial: Dial) -> None:
        self._cacher, self._dial = cacher, dial
        self._sessions: OrderedDict[tuple[_Place, bytes], aiohttp.ClientSession] = OrderedDict()

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def ask(self, client: Client, body: Object, timeout_s: int) -> bytes:
        """Return a webhook's answer; raises CallFailed."""
        url = f"{_shown(client)}?timeout={timeout_s}s"
        try:
            async with asyncio.timeout(timeout_s):
                session = await self._session(client)
                return await _post(session, url, body)
        except TimeoutError:
            why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        except (aiohttp.ClientError, OSError, ssl.SSLError, CallFailed) as error:
            why = str(error) or type(error).__name__
        raise CallFailed(f'failed to call webhook: Post "{url}": {why}')

    async def _session(self, client: Client) -> aiohttp.ClientSession:
        place = await self._place(client)
        key = place, client.ca_bundle
        found = self._sessions.get(key)
        if found is not None:
            self._sessions.move_to_end(key)
            return found
        context = _context(client.ca_bundle)
        session = aiohttp.ClientSession(
            connector=_Connector(place, context, self._dial), cookie_jar=aiohttp.DummyCookieJar()
        )
        self._sessions[key] = session
        if len(self._sessions) > _SESSIONS_MAX:
            _, oldest = self._sessions.popitem(last=False)
            await oldest.close()
        return session

    async def _place(self, client: Client) -> _Place:
        if client.service:
            return self._service(client)
        parts = urlsplit(client.url)
        host, port = parts.hostname or "", parts.port or 443
        try:
            return _Place(str(ipaddress.ip_address(host)), port, host)
        except ValueError:
            pass
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return _Place(str(found[0][4][0]), port, host)

    def _service(self, client: Client) -> _Place:
        key = keys.key(SERVICES, client.namespace, client.service)
        found = self._cacher.cache(SERVICES).get(key)
        if found is None:
            raise CallFailed(f'service "{client.service}" not found')
        spec = found.object.get("spec") or {}
        ports = [each.get("port") for each in spec.get("ports") or ()]
        if client.port not in ports:
            raise CallFailed(f'no service port {client.port} found for service "{client.service}"')
        address = spec.get("clusterIP") or ""
        if address in ("", "None"):
            raise CallFailed(f'service "{client.service}" has no cluster IP')
        return _Place(address, client.port, f"{client.service}.{client.namespace}.svc")


def _shown(client: Client) -> str:
    if not client.service:
        return client.url
    return f"https://{client.service}.{client.namespace}.svc:{client.port}{client.path}"


def _context(ca_bundle: bytes) -> ssl.SSLContext:
    """Return the TLS of a webhook; without a bundle the machine's authorities are trusted."""
    context = ssl.create_default_context()
    if ca_bundle:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(cadata=ca_bundle.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            why = f"unable to load root certificates: {error}"
            raise CallFailed(why) from None
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _post(session: aiohttp.ClientSession, url: str, body: Object) -> bytes:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    octets = msgspec.json.encode(body)
    async with session.post(url, data=octets, headers=headers, allow_redirects=False) as answer:
        pieces = bytearray()
        async for piece in answer.content.iter_any():
            pieces += piece
            if len(pieces) > _ANSWER_MAX:
                raise CallFailed(f"the answer is longer than {_ANSWER_MAX} octets")
        if answer.status != 200:
            said = bytes(pieces[:200]).decode(errors="replace").strip()
            raise CallFailed(said or f"the server answered {answer.status} {answer.reason}")
        return bytes(pieces)
