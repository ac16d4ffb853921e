"""The verbs of the API as calls (upstream: client-go's typed and dynamic clients).

Errors are of two kinds: `StatusError`, the server's own answer, and `Unreachable`, no answer.
Nothing is retried here: informers, work queues and electors know better when.
"""

from __future__ import annotations

import asyncio
import math
import urllib.parse
from collections.abc import AsyncGenerator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, cast

import aiohttp
import yarl

from componentbase.clock import monotonic
from kubeapi.client import codec
from kubeapi.client.errors import Unreachable
from kubeapi.client.kubeconfig import ClientConfig, read_kubeconfig
from kubeapi.client.metrics import REQUEST_SECONDS, REQUESTS
from kubeapi.objects import Object, name_of, namespace_of
from kubeapi.resources import Resource
from kubeapi.status import StatusError

#: A call without an answer for so long is given up.
CALL_TIMEOUT_S: Final = 30
CONNECT_TIMEOUT_S: Final = 5
#: A watch whose server should have ended it so long ago is dead: its connection says nothing more.
WATCH_GRACE_S: Final = 30
_IDLE_CONNECTION_S: Final = 60
#: What the metrics call the status of a call without an answer.
_NO_ANSWER: Final = "<error>"
#: A token's file is read again after so long (client-go: cachingTokenSource).
_TOKEN_READ_S: Final = 60.0

Query = Mapping[str, str]


class PatchType(Enum):
    """Media type of a patch."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"


_APPLY: Final = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One event of a watch. An ERROR event never comes out: it is raised as StatusError."""

    type: str  # "ADDED", "MODIFIED", "DELETED", "BOOKMARK"
    object: Object


class RestClient:
    """Speaks with one API server as one user. Make it and close it inside the event loop."""

    def __init__(
        self, config: ClientConfig, *, user_agent: str, source: str = "", calls_max: int = 0
    ) -> None:
        """Connect from the address *source*, or from the one that the kernel chooses.

        Of *calls_max* (0: any number) calls at once the others wait for their turn; watches do not.
        """
        self._turns = asyncio.Semaphore(calls_max) if calls_max else nullcontext()
        self._config = config
        self._source = source
        self._host = urllib.parse.urlsplit(config.server).netloc
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None
        self._token, self._token_read_at = "", -math.inf
        # What to send; changes to MessagePack when the server has answered in it.
        self._body_type = codec.JSON

    @classmethod
    def from_kubeconfig(
        cls, path: Path, *, user_agent: str, source: str = "", calls_max: int = 0
    ) -> RestClient:
        """Return a client for the current context of *path*; raises KubeconfigError."""
        config = read_kubeconfig(path)
        return cls(config, user_agent=user_agent, source=source, calls_max=calls_max)

    async def use(self, config: ClientConfig) -> None:
        """Connect as *config* says from now on; what is under way is broken off."""
        self._config, self._host = config, urllib.parse.urlsplit(config.server).netloc
        await self.close()

    async def get(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        subresource: str = "",
    ) -> Object:
        return await self._call("GET", resource.path(namespace, name, subresource))

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_: str = "",
        resource_version: str = "",
    ) -> Object:
        """Return the List object."""
        query = _query(
            labelSelector=label_selector,
            fieldSelector=field_selector,
            limit=limit,
            resourceVersion=resource_version,
            **{"continue": continue_},
        )
        return await self._call("GET", resource.path(namespace), query=query)

    async def read(self, path: str, query: Mapping[str, str]) -> Object:
        """Return what is at *path*, which is no object's: metrics, for instance."""
        return await self._call("GET", path, query=dict(query))

    async def create(
        self,
        resource: Resource,
        obj: Object,
        namespace: str | None = None,
        *,
        subresource: str = "",
        name: str = "",
    ) -> Object:
        """Create *obj*; with *subresource* (binding, eviction) post it to that of *name*."""
        where = (namespace or namespace_of(obj)) if resource.namespaced else None
        path = resource.path(where, name if subresource else "", subresource)
        return await self._call("POST", path, body=obj)

    async def update(self, resource: Resource, obj: Object, *, subresource: str = "") -> Object:
        """Replace an object; its metadata says which."""
        where = namespace_of(obj) if resource.namespaced else None
        return await self._call("PUT", resource.path(where, name_of(obj), subresource), body=obj)

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        kind: PatchType = PatchType.MERGE,
        subresource: str = "",
    ) -> Object:
        path = resource.path(namespace, name, subresource)
        return await self._call("PATCH", path, body=patch, content_type=kind.value)

    async def apply(
        self, resource: Resource, obj: Object, *, manager: str, subresource: str = ""
    ) -> Object:
        """Apply *obj* in the name of *manager*, whoever owned its fields before."""
        where = namespace_of(obj) if resource.namespaced else None
        path = resource.path(where, name_of(obj), subresource)
        query = {"fieldManager": manager, "force": "true"}
        return await self._call("PATCH", path, query=query, body=obj, content_type=_APPLY)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str = "",
        grace_s: int | None = None,
        uid: str = "",
        resource_version: str = "",
    ) -> Object:
        """Delete an object, if it still is the one of *uid* and *resource_version*."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if propagation:
            options["propagationPolicy"] = propagation
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        if preconditions := _query(uid=uid, resourceVersion=resource_version):
            options["preconditions"] = preconditions
        return await self._call("DELETE", resource.path(namespace, name), body=options)

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> None:
        query = _query(labelSelector=label_selector, fieldSelector=field_selector)
        await self._call("DELETE", resource.path(namespace), query=query)

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        bookmarks: bool = True,
        timeout_s: int = 0,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield what changes after *resource_version* until the server ends the watch.

        Close the generator (`contextlib.aclosing`) when leaving early.
        """
        query = _query(
            watch="true",
            resourceVersion=resource_version,
            labelSelector=label_selector,
            fieldSelector=field_selector,
            allowWatchBookmarks="true" if bookmarks else "",
            timeoutSeconds=timeout_s,
        )
        # A watch may be silent for long, but not beyond the end that the server was asked for.
        total_s = timeout_s + WATCH_GRACE_S if timeout_s else None
        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT_S, total=total_s)
        url = self._url(resource.path(namespace), query)
        try:
            headers = self._authorization()
            async with self._opened().get(url, timeout=timeout, headers=headers) as response:
                REQUESTS.add((str(response.status), self._host, "GET"))
                self._learn(response)
                if response.status >= 400:
                    raise _status_error(response, await response.read())
                decoder = codec.WatchDecoder(response.content_type)
                async for octets in response.content.iter_any():
                    for event in decoder.feed(octets):
                        yield _watch_event(event)
        except (aiohttp.ClientError, OSError, codec.MalformedBody) as error:
            raise Unreachable(f"watch {resource.plural}: {_text(error)}") from error

    async def raw(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        content_type: str = "",
        accept: str = "",
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> bytes:
        """Send a request and return the octets of its answer (logs, Tables, /healthz)."""
        _, octets = await self._send(
            method, path, query or {}, (body, content_type), timeout_s, accept=accept
        )
        return octets

    async def close(self) -> None:
        session, self._session = self._session, None  # Nobody else finds it from now on.
        if session is not None:
            await session.close()

    # --- one request -------------------------------------------------------------------------

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        content_type: str = "",
    ) -> Object:
        media_type, octets = await self._send(
            method, path, query or {}, (body, content_type), CALL_TIMEOUT_S
        )
        try:
            return cast(Object, codec.decode(octets, media_type))
        except codec.MalformedBody as error:
            raise Unreachable(f"{method} {path}: {error}") from None

    async def _send(
        self,
        method: str,
        path: str,
        query: Query,
        body: tuple[Any, str],
        timeout_s: float,
        *,
        accept: str = "",
    ) -> tuple[str, bytes]:
        """Return the media type and the octets of a good answer."""
        data, headers = None, self._authorization()
        if accept:
            headers["Accept"] = accept
        if body[0] is not None:
            media_type = body[1] or self._body_type
            data, headers["Content-Type"] = codec.encode(body[0], media_type), media_type
        began_at, code = monotonic(), _NO_ANSWER
        try:
            async with (
                self._turns,
                asyncio.timeout(timeout_s),
                self._opened().request(
                    method, self._url(path, query), data=data, headers=headers
                ) as response,
            ):
                code = str(response.status)
                octets = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{method} {path}: {_text(error)}") from error
        finally:
            REQUESTS.add((code, self._host, method))
            REQUEST_SECONDS.observe((self._host, method), monotonic() - began_at)
        self._learn(response)
        if response.status >= 400:
            raise _status_error(response, octets)
        return response.content_type, octets

    def _learn(self, response: aiohttp.ClientResponse) -> None:
        if response.content_type == codec.MSGPACK:
            self._body_type = codec.MSGPACK
        elif response.content_type == codec.JSON:
            self._body_type = codec.JSON  # Another server stands behind the address now.

    def _authorization(self) -> dict[str, str]:
        """Return the header that says who asks, where no certificate does."""
        if not self._config.token_file:
            return {}
        if monotonic() - self._token_read_at > _TOKEN_READ_S:
            try:
                with open(self._config.token_file) as file:
                    self._token = file.read().strip()
                self._token_read_at = monotonic()
            except OSError as error:
                if not self._token:
                    raise Unreachable(f"{self._config.token_file}: {error.strerror}") from None
        return {"Authorization": f"Bearer {self._token}"}

    def _url(self, path: str, query: Query) -> yarl.URL:
        text = f"?{urllib.parse.urlencode(query)}" if query else ""
        return yarl.URL(f"{self._config.server}{path}{text}", encoded=True)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = self._config.ssl_context()
            connector = aiohttp.TCPConnector(
                ssl=True if context is None else context,
                limit=0,  # Watches stay open; how many calls run at once, the callers bound.
                keepalive_timeout=_IDLE_CONNECTION_S,
                local_addr=(self._source, 0) if self._source else None,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers={
                    "Accept": f"{codec.MSGPACK}, {codec.JSON};q=0.9",
                    "User-Agent": self._user_agent,
                },
                timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT_S),
                auto_decompress=True,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session


def _query(**fields: str | int) -> dict[str, str]:
    """Return the fields that are set."""
    return {name: str(value) for name, value in fields.items() if value}


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__


def _status_error(response: aiohttp.ClientResponse, octets: bytes) -> StatusError:
    try:
        body = codec.decode(octets, response.content_type)
    except codec.MalformedBody:
        body = None
    if isinstance(body, dict) and body.get("kind") == "Status":
        return StatusError.from_object(body)
    text = octets[:200].decode(errors="replace").strip() or response.reason or "no reason given"
    return StatusError(response.status, "", text)


def _watch_event(event: Any) -> WatchEvent:
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        raise codec.MalformedBody("not a watch event")
    if event.get("type") == "ERROR":
        raise StatusError.from_object(event["object"])
    return WatchEvent(str(event.get("type")), event["object"])
