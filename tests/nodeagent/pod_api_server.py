"""A small real API server for the nodeagent's tests: memory, watches, merge patch, pod deletion."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

from aiohttp import web

from componentbase.clock import rfc3339, wall
from kubeapi.patch import merge_patch

Obj = dict[str, Any]
KINDS = (
    "pods",
    "namespaces",
    "nodes",
    "services",
    "endpointslices",
    "networkpolicies",
    "adminnetworkpolicies",
    "baselineadminnetworkpolicies",
    "clusternetworkpolicies",
    "leases",
    "events",
    "configmaps",
    "secrets",
    "persistentvolumes",
)


class PodApiServer:
    """Objects by path; every write is a new revision and an event for the watches."""

    def __init__(self) -> None:
        self.objects: dict[str, Obj] = {}
        self.history: list[tuple[int, str, str, Obj]] = []
        self.revision = 1
        self.url = ""
        self.asked: list[str] = []
        self.token_requests: list[Obj] = []
        self._changed = asyncio.Event()
        self._uids = itertools.count(1)
        self._runner: web.AppRunner | None = None

    # --- what a test does ---

    def put(self, path: str, obj: Obj) -> Obj:
        self.revision += 1
        known = self.objects.get(path)
        metadata = {"uid": f"uid-{next(self._uids)}", **obj["metadata"]}
        if known is not None:
            metadata["uid"] = known["metadata"]["uid"]
        metadata["resourceVersion"] = str(self.revision)
        obj = {**obj, "metadata": metadata}
        self.objects[path] = obj
        self._announce("MODIFIED" if known else "ADDED", path, obj)
        return obj

    def remove(self, path: str) -> None:
        self.revision += 1
        self._announce("DELETED", path, self.objects.pop(path))

    def put_pod(self, name: str, spec: Obj, node: str = "node-1") -> Obj:
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
            "spec": {"nodeName": node, "restartPolicy": "Always", **spec},
            "status": {"phase": "Pending"},
        }
        return self.put(pod_path(name), pod)

    def delete_pod(self, name: str, grace_s: int) -> None:
        """What DELETE does to a pod that runs on a node."""
        pod = self.objects[pod_path(name)]
        metadata = {
            **pod["metadata"],
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            "deletionGracePeriodSeconds": grace_s,
        }
        self.put(pod_path(name), {**pod, "metadata": metadata})

    def pod(self, name: str) -> Obj:
        return self.objects.get(pod_path(name), {})

    def reasons(self) -> list[str]:
        """Return the reasons of all events, in order."""
        return [o["reason"] for p, o in self.objects.items() if "/events/" in p]

    def messages(self) -> list[str]:
        return [o["message"] for p, o in self.objects.items() if "/events/" in p]

    async def until(self, condition, timeout_s: float = 60) -> None:
        """Wait until *condition* holds; it is asked after each write."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                await self._changed.wait()

    # --- how it answers ---

    def _announce(self, kind: str, path: str, obj: Obj) -> None:
        self.history.append((self.revision, kind, path, obj))
        self._changed.set()
        self._changed = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read() or b"null")
        path, query = request.path, request.query
        self.asked.append(path)
        match request.method:
            case "GET" if query.get("watch"):
                return await self._watch(request)
            case "GET" if path.rsplit("/", 1)[-1] in KINDS:
                items = [o for p, o in self.objects.items() if _selected(p, o, path, query)]
                metadata = {"resourceVersion": str(self.revision)}
                return web.json_response({"kind": "List", "metadata": metadata, "items": items})
            case "GET" if path in self.objects:
                return web.json_response(self.objects[path])
            case "POST" if path.endswith("/token"):
                return self._token(path, body["spec"])
            case "POST":
                path = f"{path}/{body['metadata']['name']}"
                if path in self.objects:
                    return _refuse(409, "AlreadyExists", path)
                return web.json_response(self.put(path, body), status=201)
            case "PATCH" | "PUT" | "DELETE":
                return self._change(request.method, path.removesuffix("/status"), body)
        return _refuse(404, "NotFound", path)

    def _token(self, path: str, spec: Obj) -> web.StreamResponse:
        if path.removesuffix("/token") not in self.objects:
            return _refuse(404, "NotFound", path)
        self.token_requests.append(spec)
        text = rfc3339(wall() + spec["expirationSeconds"])
        status = {"token": f"token-{len(self.token_requests)}", "expirationTimestamp": text}
        return web.json_response({"spec": spec, "status": status}, status=201)

    def _change(self, method: str, path: str, body: Obj) -> web.StreamResponse:
        if path not in self.objects:
            return _refuse(404, "NotFound", path)
        if method == "DELETE":
            self.remove(path)
            return web.json_response({"kind": "Status", "status": "Success"})
        known = self.objects[path]
        return web.json_response(
            self.put(path, merge_patch(known, body) if method == "PATCH" else body)
        )

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        since = int(request.query["resourceVersion"])
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            changed = self._changed
            for revision, kind, path, obj in self.history:
                if revision > since and _selected(path, obj, request.path, request.query):
                    event = {"type": kind, "object": obj}
                    await response.write(json.dumps(event).encode() + b"\n")
            since = self.revision
            await changed.wait()

    async def start(self, port: int = 0) -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self.handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        host, bound = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{bound}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


def _selected(path: str, obj: Obj, collection: str, query) -> bool:
    resource = collection.rsplit("/", 1)[-1]
    if path.split("/")[-2] != resource:
        return False
    if "/namespaces/" in collection and not path.startswith(collection):
        return False
    field, _, wanted = query.get("fieldSelector", "").partition("=")
    if field == "metadata.name":
        return obj["metadata"]["name"] == wanted
    if field.endswith("!"):
        return obj.get("spec", {}).get("nodeName", "") != wanted
    return not field or obj.get("spec", {}).get("nodeName") == wanted


def _refuse(code: int, reason: str, message: str) -> web.Response:
    status = {"kind": "Status", "status": "Failure", "reason": reason, "code": code}
    return web.json_response({**status, "message": message}, status=code)


def pod_path(name: str) -> str:
    return f"/api/v1/namespaces/default/pods/{name}"


def kubeconfig(url: str) -> str:
    return json.dumps(
        {
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )
