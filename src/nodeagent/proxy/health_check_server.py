"""The servers behind healthCheckNodePort: one listener a Service, on the node's transport address.

A port that cannot be bound is tried again with the next sync; who asks meanwhile finds nobody, and
the balancer leaves the node out.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from aiohttp import web

from nodeagent.proxy.endpointslice_cache import ServiceKey
from nodeagent.proxy.health_check import HealthCheck

log = logging.getLogger(__name__)


class HealthCheckServer:
    """Listens at the ports of all health checks."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._checks: dict[int, HealthCheck] = {}
        self._runners: dict[int, web.AppRunner] = {}

    async def sync(self, wanted: Mapping[ServiceKey, HealthCheck]) -> None:
        """Listen at exactly the ports of *wanted*, and answer what they say now."""
        self._checks = {each.port: each for each in wanted.values()}
        for port in [each for each in self._runners if each not in self._checks]:
            await self._runners.pop(port).cleanup()
        for port, check in self._checks.items():
            if port not in self._runners:
                await self._listen(port, check)

    async def close(self) -> None:
        """Stop listening."""
        await self.sync({})

    async def _listen(self, port: int, check: HealthCheck) -> None:
        application = web.Application()

        async def handle(_request: web.Request) -> web.Response:
            status, headers, body = self._checks[port].answer()
            return web.Response(status=status, headers=headers, text=body)

        application.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._address, port).start()
        except OSError as error:
            log.error(
                "health check of %s/%s: cannot listen at %s:%d: %s",
                check.namespace,
                check.service,
                self._address,
                port,
                error.strerror or error,
            )
            await runner.cleanup()
            return
        self._runners[port] = runner
