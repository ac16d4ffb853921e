"""The kubelet's server: logs, streams, pods, health (upstream: pkg/kubelet/server).

TLS with client certificates from the cluster's CA, or bearer tokens that the API server knows; what
either may ask for the API server says, too (`authorization`).
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware

from componentbase.client_certificates import NotBelieved, shown_on
from componentbase.clock import parse_rfc3339, wall
from componentbase.process_series import process_series
from componentbase.series import Series, exposition
from kubeapi.client import Unreachable
from kubeapi.client import metrics as client_metrics
from kubeapi.client.delegation import Asker, NotAuthenticated, asker_of, bearer_token
from kubeapi.objects import Object
from kubeapi.status import StatusError
from nodeagent.kubelet.authorization import Authorization, attributes
from nodeagent.kubelet.container_logs import LogFilter, LogOptions, tail_offset, whole_lines
from nodeagent.kubelet.stats import resource_metrics
from nodeagent.kubelet.stats.pod_scraper import PodScraper
from nodeagent.kubelet.stats.provider import StatsProvider
from nodeagent.kubelet.stats.summary import NodeShape, summary
from nodeagent.kubelet.streaming import Streaming

#: How often a followed log file is looked at.
_FOLLOW_S: Final = 0.1
_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_READ_OCTETS: Final = 64 * 1024


class Source(Protocol):
    """What the server must know of pods; the kubelet answers."""

    def pods(self) -> list[Object]:
        """Return the pods of this node."""

    def series(self) -> list[Series]:
        """Return the kubelet's numbers."""

    def probe_series(self) -> list[Series]:
        """Return the numbers of its probes."""

    def log_path(self, namespace: str, pod: str, container: str, *, previous: bool) -> Path:
        """Return the log file of a container; raises LookupError that says why there is none."""

    def running(self, namespace: str, pod: str, container: str) -> bool:
        """Tell whether the container may still write."""


class KubeletServer:
    """The routes of the kubelet's API."""

    def __init__(
        self,
        source: Source,
        streaming: Streaming,
        authorization: Authorization,
        *,
        shape: NodeShape,
        stats: StatsProvider,
        scraper: PodScraper,
    ) -> None:
        self._source, self._streaming = source, streaming
        self._shape, self._stats, self._scraper = shape, stats, scraper
        self._authorization = authorization

    def application(self) -> web.Application:
        """Return the server's routes behind its authorization."""
        app = web.Application(middlewares=[_guard(self._authorization)])
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/pods", self._pods)
        app.router.add_get("/metrics", self._show_metrics)
        app.router.add_get("/metrics/resource", self._resource_metrics)
        app.router.add_get("/metrics/pods", self._pod_metrics)
        app.router.add_get("/metrics/probes", self._probe_metrics)
        app.router.add_get("/stats/summary", self._summary)
        path = "/containerLogs/{namespace}/{pod}/{container}"
        app.router.add_get(path, self._container_logs)
        self._streaming.add_routes(app)
        return app

    async def _healthz(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    async def _show_metrics(self, _request: web.Request) -> web.StreamResponse:
        """Answer in Prometheus' text format; kube-proxy has a port of its own."""
        found = [*self._source.series(), *client_metrics.SERIES, *process_series()]
        return web.Response(text=exposition(found), headers={"Content-Type": _METRICS_TYPE})

    async def _probe_metrics(self, _request: web.Request) -> web.StreamResponse:
        text = exposition(self._source.probe_series())
        return web.Response(text=text, headers={"Content-Type": _METRICS_TYPE})

    async def _resource_metrics(self, _request: web.Request) -> web.StreamResponse:
        text = resource_metrics.exposition(await self._stats.read())
        return web.Response(text=text, headers={"Content-Type": _METRICS_TYPE})

    async def _pod_metrics(self, _request: web.Request) -> web.StreamResponse:
        text = await self._scraper.text()
        return web.Response(text=text, headers={"Content-Type": _METRICS_TYPE})

    async def _summary(self, _request: web.Request) -> web.StreamResponse:
        reading = await self._stats.read()
        body = msgspec.json.encode(summary(self._shape, reading, self._stats.before))
        return web.Response(body=body, content_type="application/json")

    async def _pods(self, _request: web.Request) -> web.StreamResponse:
        body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": self._source.pods()}
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    async def _container_logs(self, request: web.Request) -> web.StreamResponse:
        place = (
            request.match_info["namespace"],
            request.match_info["pod"],
            request.match_info["container"],
        )
        try:
            options = log_options(request.query, wall())
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        try:
            path = self._source.log_path(*place, previous=options.previous)
        except LookupError as error:
            return web.Response(status=400, text=str(error.args[0]))
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)

        def running() -> bool:
            return not options.previous and self._source.running(*place)

        async for octets in read_log(path, options, running):
            await response.write(octets)
        await response.write_eof()
        return response


async def read_log(
    path: Path, options: LogOptions, running: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Yield what the client asked for; with follow, until the container ends."""
    wanted = LogFilter(options)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return  # Made, but nothing was written yet.
    with file:
        file.seek(tail_offset(file, options.tail_lines) if options.tail_lines is not None else 0)
        rest = b""
        while not wanted.full:
            alive = running()  # Asked before reading: what was written before the end is read.
            octets = file.read(_READ_OCTETS)
            if octets:
                lines, rest = whole_lines(rest + octets)
                chosen = wanted.octets(iter(lines))
                if chosen:
                    yield chosen
            elif not options.follow or not alive:
                return
            elif _is_another(path, file):
                async for later in read_log(path, _from_the_start(options, wanted), running):
                    yield later
                return
            else:
                await asyncio.sleep(_FOLLOW_S)


def _is_another(path: Path, file: BinaryIO) -> bool:
    """Tell whether a full log was put aside, and a new one begun."""
    try:
        return not os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _from_the_start(options: LogOptions, wanted: LogFilter) -> LogOptions:
    return replace(options, tail_lines=None, limit_octets=wanted.left)


def log_options(query: Mapping[str, str], now: float) -> LogOptions:
    """Read the query; raises ValueError that names the parameter. *now* is Unix seconds."""
    since_s = _number(query, "sinceSeconds")
    since = None if since_s is None else now - since_s
    if query.get("sinceTime"):
        since = parse_rfc3339(query["sinceTime"])
    return LogOptions(
        follow=_truth(query, "follow"),
        previous=_truth(query, "previous"),
        timestamps=_truth(query, "timestamps"),
        tail_lines=_number(query, "tailLines"),
        since=since,
        limit_octets=_number(query, "limitBytes"),
    )


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    if not text.isdigit():
        raise ValueError(f"{name}: Invalid value: {text!r}: must be a non-negative number")
    return int(text)


def _truth(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "") in ("true", "1")


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _guard(authorization: Authorization) -> Middleware:
    """Return the middleware that lets in who may come in."""

    @web.middleware
    async def authorized(request: web.Request, handler: Handler) -> web.StreamResponse:
        asked = attributes(request.method, request.path)
        try:
            asker = await _asker(request, authorization)
            allowed = await authorization.may_do(asker, asked)
        except NotAuthenticated:
            return web.Response(status=401, text="Unauthorized")
        except (StatusError, Unreachable) as error:
            return web.Response(status=500, text=f"Authorization error: {error}")
        if allowed:
            return await handler(request)
        what = f"verb={asked.verb}, resource=nodes, subresource={asked.subresource}"
        return web.Response(status=403, text=f"Forbidden (user={asker.name}, {what})")

    return authorized


async def _asker(request: web.Request, authorization: Authorization) -> Asker:
    """Return who asks; raises NotAuthenticated."""
    wrong = "nobody has said who he is"
    try:
        if asker := asker_of(shown_on(request.transport).names(wall())):
            return asker
    except NotBelieved as error:
        wrong = str(error)
    if token := bearer_token(request.headers.get("Authorization", "")):
        return await authorization.user_of(token)
    raise NotAuthenticated(wrong)


async def serve(server: KubeletServer, address: str, port: int, tls: ssl.SSLContext) -> None:
    """Listen until cancelled."""
    runner = web.AppRunner(server.application(), access_log=None, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port, ssl_context=tls).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
