"""A small real API server for the client's tests: memory, revisions, watches, JSON or msgpack."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import asynccontextmanager
from typing import Any

import msgpack
from aiohttp import web

from kubeapi.client import ClientConfig, RestClient

MSGPACK = "application/vnd.podwire.msgpack"


class SmallServer:
    """Serves pods and whatever else is put into `objects`; every write is a new revision."""

    def __init__(self, *, speaks_msgpack: bool) -> None:
        self.speaks_msgpack = speaks_msgpack
        self.revision = 10
        self.objects: dict[str, dict[str, Any]] = {}
        self.events: list[tuple[int, str, dict[str, Any]]] = []
        self.oldest = 0  # Watches from before this revision are gone.
        self.changed = asyncio.Event()
        self.requests: list[tuple[str, str, str]] = []
        self.broken = False
        self.watches_end = asyncio.Event()
        self.url = ""
        self._runner: web.AppRunner | None = None
        self._uids = itertools.count(1)

    # --- what a test does to it ---

    def put(self, path: str, obj: dict[str, Any]) -> dict[str, Any]:
        self.revision += 1
        kind = "MODIFIED" if path in self.objects else "ADDED"
        metadata = {"uid": f"uid-{next(self._uids)}", **obj["metadata"]}
        obj = {**obj, "metadata": {**metadata, "resourceVersion": str(self.revision)}}
        self.objects[path] = obj
        self._announce(kind, obj)
        return obj

    def remove(self, path: str) -> None:
        self.revision += 1
        obj = self.objects.pop(path)
        metadata = {**obj["metadata"], "resourceVersion": str(self.revision)}
        self._announce("DELETED", {**obj, "metadata": metadata})

    def bookmark(self) -> None:
        self.revision += 1
        metadata = {"resourceVersion": str(self.revision)}
        self._announce("BOOKMARK", {"kind": "Pod", "metadata": metadata})

    def end_watches(self) -> None:
        self.watches_end.set()
        self.watches_end = asyncio.Event()
        self._wake()

    def _announce(self, kind: str, obj: dict[str, Any]) -> None:
        self.events.append((self.revision, kind, obj))
        self._wake()

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    # --- how it answers ---

    def _answer(self, value: Any, status: int = 200) -> web.Response:
        if self.speaks_msgpack:
            return web.Response(body=msgpack.packb(value), status=status, content_type=MSGPACK)
        return web.json_response(value, status=status)

    def _refuse(self, code: int, reason: str, message: str) -> web.Response:
        return self._answer(
            {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "reason": reason,
                "message": message,
                "code": code,
            },
            code,
        )

    async def handle(self, request: web.Request) -> web.StreamResponse:
        kind = request.headers.get("Content-Type", "")
        self.requests.append((request.method, request.path_qs, kind))
        if self.broken:
            return web.Response(status=503, text="broken")
        octets = await request.read()
        body = None
        if octets:
            body = msgpack.unpackb(octets) if kind == MSGPACK else json.loads(octets)
        match request.method:
            case "GET" if request.query.get("watch"):
                return await self._watch(request)
            case "GET":
                return self._get(request.path)
            case "POST":
                return self._create(request.path, body)
            case "PUT":
                return self._update(request.path, body)
            case "PATCH":
                return self._patch(request.path, body)
            case _:
                return self._delete(request.path)

    def _get(self, path: str) -> web.Response:
        if path in self.objects:
            return self._answer(self.objects[path])
        if path.rsplit("/", 1)[-1] not in ("pods", "events", "leases"):
            return self._refuse(404, "NotFound", f"{path} not found")
        items = [
            {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
            for where, obj in self.objects.items()
            if where.startswith(path) or path == "/api/v1/pods"
        ]
        metadata = {"resourceVersion": str(self.revision)}
        return self._answer({"kind": "List", "metadata": metadata, "items": items})

    def _create(self, path: str, body: dict[str, Any]) -> web.Response:
        where = f"{path}/{body['metadata']['name']}"
        if where in self.objects:
            return self._refuse(409, "AlreadyExists", f"{where} already exists")
        return self._answer(self.put(where, body), 201)

    def _update(self, path: str, body: dict[str, Any]) -> web.Response:
        known = self.objects.get(path)
        if known is None:
            return self._refuse(404, "NotFound", f"{path} not found")
        version = body["metadata"].get("resourceVersion")
        if version not in (None, known["metadata"]["resourceVersion"]):
            return self._refuse(409, "Conflict", "the object has been modified")
        return self._answer(self.put(path, body))

    def _patch(self, path: str, body: dict[str, Any]) -> web.Response:
        if path not in self.objects:
            return self._refuse(404, "NotFound", f"{path} not found")
        return self._answer(self.put(path, {**self.objects[path], **body}))

    def _delete(self, path: str) -> web.Response:
        if path not in self.objects:
            return self._refuse(404, "NotFound", f"{path} not found")
        self.remove(path)
        return self._answer({"kind": "Status", "status": "Success"})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        since = int(request.query["resourceVersion"])
        if since < self.oldest:
            return self._refuse(410, "Expired", "too old resource version")
        end = self.watches_end
        kind = MSGPACK if self.speaks_msgpack else "application/json"
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        while not end.is_set():
            changed = self.changed
            for revision, type_, obj in self.events:
                if revision > since:
                    await response.write(self._event(type_, obj))
                    since = revision
            await changed.wait()
        return response

    def _event(self, type_: str, obj: dict[str, Any]) -> bytes:
        event = {"type": type_, "object": obj}
        packed: bytes = msgpack.packb(event)
        return packed if self.speaks_msgpack else json.dumps(event).encode() + b"\n"

    async def start(self, port: int = 0) -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self.handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        host, bound = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{bound}"

    async def stop(self) -> None:
        self.end_watches()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


@asynccontextmanager
async def serving(*, speaks_msgpack: bool = True):
    server = SmallServer(speaks_msgpack=speaks_msgpack)
    await server.start()
    client = RestClient(ClientConfig(server=server.url), user_agent="test")
    try:
        yield server, client
    finally:
        await client.close()
        await server.stop()


def pod(name: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
    }


def path(name: str) -> str:
    return f"/api/v1/namespaces/default/pods/{name}"


async def eventually(condition, *, timeout_s: float = 30) -> None:
    """Wait until *condition* holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)
