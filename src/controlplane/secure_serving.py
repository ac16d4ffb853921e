"""The health and the metrics of a component, over HTTPS (upstream: SecureServing of both managers).

`/healthz`, `/livez` and `/readyz` are for everybody; who asks for anything else shows a client
certificate or a token, and the API server says whether he may (`kubeapi.client.delegation`), except
that administrators are not asked about. The certificate is that of the API server beside it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from componentbase import client_certificates, clock
from componentbase.client_certificates import NotBelieved
from componentbase.process_series import process_series
from componentbase.series import Series, exposition
from componentbase.serving_certificate import follow
from componentbase.tasks import Tasks
from controlplane import health
from controlplane.health import Check
from kubeapi.client import RestClient, Unreachable
from kubeapi.client.delegation import (
    ANONYMOUS,
    Asker,
    Delegation,
    NotAuthenticated,
    Question,
    asker_of,
    bearer_token,
)
from kubeapi.client.metrics import SERIES
from kubeapi.status import StatusError, internal, unauthorized

if TYPE_CHECKING:
    from aiohttp import web

_MASTERS: Final = "system:masters"
_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a component listens, and with what."""

    address: str
    port: int
    certificate: str
    private_key: str
    client_ca: str


class ComponentPages:
    """Answers requests."""

    def __init__(
        self,
        client: RestClient,
        checks: Sequence[Check],
        series: Callable[[], Iterable[Series]],
        *,
        ready: Sequence[Check] = (),
    ) -> None:
        """*checks* are of every endpoint, *ready* of /readyz alone."""
        alive = (health.PING, *checks)
        self._checks = {"healthz": alive, "livez": alive, "readyz": (*alive, *ready)}
        self._series = series
        self._process = process_series()
        self._delegation = Delegation(client.create, clock.monotonic)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a request, whatever it asks for."""
        try:
            await self._check_access(request)
        except StatusError as error:
            from aiohttp import web

            return web.json_response(error.to_object(), status=error.code)
        return self._page(request)

    async def _check_access(self, request: web.Request) -> None:
        """Raise StatusError unless who asks may do so."""
        if request.path.strip("/") in self._checks:
            return
        try:
            asker = await self._asker(request)
        except NotAuthenticated:
            raise unauthorized() from None
        if _MASTERS in asker.groups:
            return
        verb = request.method.lower()
        about = (("path", request.path), ("verb", verb))
        try:
            allowed = await self._delegation.may(asker, Question("nonResourceAttributes", about))
        except (StatusError, Unreachable) as error:
            raise internal(str(error)) from None
        if not allowed:
            why = f'forbidden: User "{asker.name}" cannot {verb} path "{request.path}"'
            raise StatusError(403, "Forbidden", why)

    async def _asker(self, request: web.Request) -> Asker:
        shown = client_certificates.shown_on(request.transport)
        wrong = ""
        try:
            if asker := asker_of(shown.names(clock.wall())):
                return asker
        except NotBelieved as error:
            wrong = str(error)
        if token := bearer_token(request.headers.get("Authorization", "")):
            return await self._delegation.user_of(token)
        if wrong:
            raise NotAuthenticated(wrong)
        return ANONYMOUS

    def _page(self, request: web.Request) -> web.Response:
        from aiohttp import web

        if request.path == "/metrics":
            text = exposition((*self._process, *SERIES, *self._series()))
            return web.Response(text=text, headers={"Content-Type": _METRICS_TYPE})
        endpoint, _, name = request.path.strip("/").partition("/")
        found = None
        if endpoint in self._checks:
            checks = self._checks[endpoint]
            verbose, excluded = "verbose" in request.query, request.query.getall("exclude", [])
            if name:
                found = health.one_of(checks, name)
            else:
                found = health.all_of(endpoint, checks, excluded, verbose=verbose)
        status, text = found or (404, "404 page not found\n")
        return web.Response(status=status, text=text)


@asynccontextmanager
async def serving(settings: Settings | None, pages: ComponentPages) -> AsyncIterator[None]:
    """Listen for as long as the context lasts; with None nobody does."""
    if settings is None:
        yield
        return
    from aiohttp import web

    app = web.Application()
    app.router.add_get("/{path:.*}", pages.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    tasks = Tasks()
    try:
        tls = client_certificates.server_context(
            settings.certificate, settings.private_key, settings.client_ca
        )
        site = web.TCPSite(runner, settings.address, settings.port, ssl_context=tls)
        await site.start()
        following = follow(tls, settings.certificate, settings.private_key)
        tasks.spawn(following, name="serving certificate")
        yield
    finally:
        await tasks.close()
        await runner.cleanup()
