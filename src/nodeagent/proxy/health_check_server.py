"""The servers behind healthCheckNodePort: one listener a Service, on the node's transport address,
and those of kube-proxy's own health and metrics beside them.

A port that cannot be bound is tried again with the next sync; who asks meanwhile finds nobody, and
the balancer leaves the node out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from aiohttp import web

from nodeagent.proxy.endpointslice_cache import ServiceKey
from nodeagent.proxy.health_check import HealthCheck
from nodeagent.proxy.proxier_health import Answer

log = logging.getLogger(__name__)


class HealthCheckServer:
    """Listens at the ports of all health checks."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._checks: dict[int, HealthCheck] = {}
        self._runners: dict[int, web.AppRunner] = {}
        self._own: dict[int, web.AppRunner] = {}

    async def sync(self, wanted: Mapping[ServiceKey, HealthCheck]) -> None:
        """Listen at exactly the ports of *wanted*, and answer what they say now."""
        self._checks = {each.port: each for each in wanted.values()}
        for port in [each for each in self._runners if each not in self._checks]:
            await self._runners.pop(port).cleanup()
        for port, check in self._checks.items():
            if port not in self._runners:
                what = f"health check of {check.namespace}/{check.service}"
                runner = await self._listen(port, what, self._answer_of(port))
                if runner is not None:
                    self._runners[port] = runner

    async def serve(self, port: int, what: str, answer: Callable[[str], Answer]) -> None:
        """Listen at *port*, too, for good; try again if it could not be had before."""
        if port not in self._own:
            runner = await self._listen(port, what, answer)
            if runner is not None:
                self._own[port] = runner

    async def close(self) -> None:
        """Stop listening."""
        await self.sync({})
        own, self._own = self._own, {}
        for runner in own.values():
            await runner.cleanup()

    def _answer_of(self, port: int) -> Callable[[str], Answer]:
        return lambda _path: self._checks[port].answer()

    async def _listen(
        self, port: int, what: str, answer: Callable[[str], Answer]
    ) -> web.AppRunner | None:
        application = web.Application()

        async def handle(request: web.Request) -> web.Response:
            status, headers, body = answer(request.path)
            return web.Response(status=status, headers=headers, text=body)

        application.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._address, port).start()
        except OSError as error:
            log.error(
                "%s: cannot listen at %s:%d: %s",
                what,
                self._address,
                port,
                error.strerror or error,
            )
            await runner.cleanup()
            return None
        return runner
