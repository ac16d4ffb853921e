"""The controller as a program: listen, watch, serve, and end without losing a request.

It is called by name, with what a process has: arguments, environment, an event that SIGTERM sets.
After SIGTERM it serves on for a moment, while those who route to it learn that it ends, and lets
each connection end after an answer; then it waits for what is under way.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Mapping, Sequence
from typing import Final

from componentbase.clock import monotonic, wall
from componentbase.tasks import Tasks
from ingresscontroller import flags
from ingresscontroller.certificates import Certificates
from ingresscontroller.entrance import accepting
from ingresscontroller.flags import FlagError, Flags
from ingresscontroller.frontend import Decide
from ingresscontroller.gateway import Gateway, Limits
from ingresscontroller.publishing import Publishing
from ingresscontroller.translation import Selection
from ingresscontroller.watching import Watching
from kubeapi.client import KubeconfigError, RestClient, in_cluster_config

VERSION: Final = "1.12.1"
#: For how long others may still send connections after SIGTERM.
_LAMEDUCK_S: Final = 3.0
#: For how long what is under way may take then (worker-shutdown-timeout).
_DRAIN_S: Final = 240.0
_DRAIN_STEP_S: Final = 0.05
_WRONG_FLAGS: Final = 2


async def serve(
    arguments: Sequence[str], environment: Mapping[str, str], stop: asyncio.Event
) -> int:
    """Run until *stop* is set; return the exit status."""
    if "--version" in arguments:
        _say(f"NGINX Ingress controller\n  Release: v{VERSION}")
        return 0
    try:
        program = _Program(flags.read(arguments), environment)
    except FlagError as error:
        _say(f"Error: {error}")
        return _WRONG_FLAGS
    except KubeconfigError as error:
        _say(str(error))
        return 1
    try:
        await program.start()
    except OSError as error:
        _say(f"{error.strerror or error}")
        await program.close()
        return 1
    try:
        await program.run(stop)
    finally:
        await program.close()
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


class _Program:
    """Everything of one controller."""

    def __init__(self, given: Flags, environment: Mapping[str, str]) -> None:
        self._flags, self._tasks = given, Tasks()
        config = in_cluster_config(environment)
        self._client = RestClient(config, user_agent=f"nginx-ingress-controller/v{VERSION}")
        self._gateway = Gateway(Limits(), random.Random(), _say)
        self._certificates = Certificates(given.default_ssl_certificate, wall())
        selection = Selection(
            given.controller_class,
            given.ingress_class,
            given.watch_ingress_without_class,
            given.default_backend_service,
        )
        self._watching = Watching(self._client, self._gateway, self._certificates, selection, _say)
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Begin to serve; raises OSError."""
        gateway, given = self._gateway, self._flags
        if given.publish_service:
            publishing = Publishing(self._client, self._watching, given.publish_service, _say)
            self._tasks.spawn(publishing.run(), name="publishing", essential=True)
        self._tasks.spawn(self._watching.run(self._tasks), name="watching", essential=True)
        self._tasks.spawn(self._sweep(), name="sweep", essential=True)
        await self._listen(given.healthz_port, gateway.page)
        await self._listen(given.http_port, gateway.decide)
        await self._listen(given.https_port, gateway.decide, self._certificates.context)
        _say(f"NGINX Ingress controller v{VERSION}")

    async def _listen(
        self, port: int, decide: Decide, context: ssl.SSLContext | None = None
    ) -> None:
        loop = asyncio.get_running_loop()
        accept = accepting(self._gateway, decide, context)
        self._servers.append(await loop.create_server(accept, None, port))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._gateway.limits.sweep_s)
            self._gateway.sweep(monotonic())

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until *stop* is set, and then until what is under way has ended."""
        ended = self._tasks.spawn(self._tasks.wait(), name="failures")
        waiting = self._tasks.spawn(stop.wait(), name="stop")
        await asyncio.wait([ended, waiting], return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            await ended  # Raises what ended a task that must not end.
        _say("Received SIGTERM, shutting down")
        self._gateway.draining = True
        await asyncio.sleep(_LAMEDUCK_S)
        for server in self._servers:
            server.close()
        deadline = monotonic() + _DRAIN_S
        while self._gateway.end_idle() and monotonic() < deadline:
            await asyncio.sleep(_DRAIN_STEP_S)
        _say("NGINX process has stopped")

    async def close(self) -> None:
        """Close every port."""
        for server in self._servers:
            server.close()
        self._gateway.log.flush()
        self._gateway.pool.close()
        await self._gateway.tasks.close()
        await self._watching.close()
        await self._tasks.close()
        await self._client.close()
