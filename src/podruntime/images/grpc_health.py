"""agnhost's `grpc-health-checking`: Health.Check, and two pages that change what it answers.

Upstream: test/images/agnhost/grpc-health-checking. Another service than `--service` is not found;
after `--delay-unhealthy-sec` it serves no more, unless a page says otherwise. Watch is left out.
"""

from __future__ import annotations

import asyncio

from componentbase.clock import monotonic
from componentbase.grpc import health
from componentbase.grpc.frames import BrokenConnection
from componentbase.grpc.health import ServingStatus
from componentbase.grpc.server import ServerConnection
from componentbase.grpc.status import NOT_FOUND, UNIMPLEMENTED, Status
from podruntime.images import flags
from podruntime.images.http_server import HttpServer, Request, Response
from podruntime.images.process import Process

_READ_OCTETS = 16 * 1024


class HealthChecker:
    """What is answered now."""

    def __init__(self, service: str, delay_unhealthy_s: int, started_at: float) -> None:
        self._service, self._delay_s, self._started_at = service, delay_unhealthy_s, started_at
        self._forced: ServingStatus | None = None

    def answer(self, path: str, message: bytes) -> bytes | Status:
        """Answer one call."""
        if path != health.CHECK:
            return Status(UNIMPLEMENTED, f"unknown method {path}")
        if health.parse_request(message) != self._service:
            return Status(NOT_FOUND, "unknown service")
        return health.emit_response(self._status(monotonic()))

    def _status(self, now: float) -> ServingStatus:
        is_late = 0 <= self._delay_s <= now - self._started_at
        usual = ServingStatus.NOT_SERVING if is_late else ServingStatus.SERVING
        # A page that makes it serve takes back another page, not the delay.
        return usual if self._forced is None or is_late else self._forced

    def page(self, request: Request) -> Response:
        """Answer `/make-serving` and `/make-not-serving`."""
        wanted = {
            "/make-serving": ServingStatus.SERVING,
            "/make-not-serving": ServingStatus.NOT_SERVING,
        }.get(request.path)
        if wanted is None:
            return Response(404, b"404 page not found\n")
        self._forced = wanted
        return Response(200, f"{monotonic() - self._started_at:g}s".encode())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it goes."""
        connection = ServerConnection(self.answer)
        try:
            writer.write(connection.octets_to_send())
            while octets := await reader.read(_READ_OCTETS):
                connection.receive(octets)
                writer.write(connection.octets_to_send())
                await writer.drain()
        except (BrokenConnection, OSError):
            pass  # A stranger, or one that has gone: its connection ends.
        finally:
            writer.close()


async def grpc_health_checking(process: Process) -> int:
    """Serve until the end."""
    defaults = {"port": "5000", "http-port": "8080", "delay-unhealthy-sec": "-1", "service": ""}
    options = flags.parse(process.arguments, defaults)
    checker = HealthChecker(
        options.text("service"), options.number("delay-unhealthy-sec"), monotonic()
    )
    process.exit_on_terminate(2)
    pages = HttpServer(checker.page)
    http_port, port = options.number("http-port"), options.number("port")
    await pages.start(http_port)
    process.complain(f"Http server starting to listen on :{http_port}")
    try:
        server = await asyncio.start_server(checker.serve, None, port)
        process.complain(f"gRPC server starting to listen on :{port}")
        async with server:
            await server.serve_forever()
    finally:
        await pages.close()
    return 0
