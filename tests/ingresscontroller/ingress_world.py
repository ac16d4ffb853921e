"""A gateway and its endpoints, with real sockets of the loopback, beside the test's thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import http.client
import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from ingress_objects import CLASSES, endpoint_slice, service

from componentbase.clock import monotonic, wall
from ingresscontroller.certificates import Certificates
from ingresscontroller.entrance import accepting
from ingresscontroller.frontend import Decide
from ingresscontroller.gateway import Gateway, Limits
from ingresscontroller.translation import Endpoints, translate

ADDRESS = "127.0.0.77"
Object = dict[str, Any]
T = TypeVar("T")
#: Gets a connection's reader and writer, and its number.
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    """Return request line, fields and body of one request; raises EOFError."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.rstrip().split("\r\n")
    fields = {name.lower(): value for name, value in (each.split(": ", 1) for each in lines)}
    body = b""
    if fields.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    else:
        body = await reader.readexactly(int(fields.get("content-length", "0")))
    return line, fields, body


def echo(name: str) -> Serve:
    """Return a server that tells what it was asked."""

    async def serve(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        while True:
            line, fields, body = await read_request(reader)
            told = json.dumps({
                "name": name, "line": line, "fields": fields, "body": body.decode("latin-1"),
                "connection": number,
            }).encode()  # fmt: skip
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nServed-By: %b\r\n\r\n%b"
                         % (len(told), name.encode(), told))  # fmt: skip

    return serve


class World:
    """`route` says what the API server would; `ask` asks as a client does."""

    def __init__(self, **limits: float) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._limits = Limits(sweep_s=0.02, **limits)  # type: ignore[arg-type]
        self._slices: dict[str, Object] = {}
        self._services: dict[str, Object] = {}
        self._servers: list[asyncio.Server] = []
        self._open: list[asyncio.StreamWriter] = []
        self._counts: dict[str, int] = {}
        self.log: list[str] = []
        self.secrets: dict[str, Object] = {}

    def __enter__(self) -> World:
        self._thread.start()
        self.do(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run *coroutine* where the gateway runs."""
        done: concurrent.futures.Future[T] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return done.result(10)

    async def _start(self) -> None:
        self.gateway = Gateway(self._limits, random.Random(1), self.log.append)
        self.certificates = Certificates("", wall())
        self.port = await self._listen(self.gateway.decide)
        self.tls_port = await self._listen(self.gateway.decide, self.certificates.context)
        self.pages_port = await self._listen(self.gateway.page)
        self._sweeping = self._loop.create_task(self._sweep())

    async def _listen(self, decide: Decide, context: ssl.SSLContext | None = None) -> int:
        accept = accepting(self.gateway, decide, context)
        server = await self._loop.create_server(accept, ADDRESS, 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._limits.sweep_s)
            self.gateway.sweep(monotonic())

    async def _stop(self) -> None:
        self._sweeping.cancel()
        for server in self._servers:
            server.close()
        for writer in self._open:
            writer.close()
        for connection in list(self.gateway.clients):
            connection.transport.abort()  # type: ignore[attr-defined]
        self.gateway.pool.close()
        await self.gateway.tasks.close()
        await asyncio.sleep(0.01)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    # --- what there is

    def serve(
        self, name: str, serve: Serve | None = None, *, context: ssl.SSLContext | None = None
    ) -> list[int]:
        """Start the endpoint of a Service; return its port, as the only one."""
        ports = [self.do(self._serve(name, serve or echo(name), context))]
        self.declare(name, *ports)
        return ports

    def declare(self, name: str, *ports: int, **spec: Any) -> None:
        """Say that the Service *name* has endpoints at *ports*."""
        self._services[name] = service(name, **spec)
        for key in [key for key in self._slices if key.split(":")[0] == name]:
            del self._slices[key]
        for port in ports:
            self._slices[f"{name}:{port}"] = endpoint_slice(name, port, ADDRESS)
        self._use_endpoints()

    def _use_endpoints(self) -> None:
        made = Endpoints(list(self._services.values()), list(self._slices.values()))
        self.do(self._call(lambda: self.gateway.use_endpoints(made)))

    async def _call(self, what: Callable[[], object]) -> None:
        what()

    async def _serve(self, name: str, serve: Serve, context: ssl.SSLContext | None) -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            number = self._counts[name] = self._counts.get(name, 0) + 1
            self._open.append(writer)
            try:
                await serve(reader, writer, number)
            except (EOFError, OSError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, ADDRESS, 0, ssl=context)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def connections(self, name: str) -> int:
        """Return how many connections the endpoints of *name* have had."""
        return self._counts.get(name, 0)

    def route(self, *ingresses: Object) -> None:
        """Use *ingresses*; nothing may be wrong with them."""
        made = translate(ingresses, CLASSES)
        assert not made.wrong

        def use() -> None:
            self.gateway.table = made.table
            assert not self.certificates.update(made.table, self.secrets)

        self.do(self._call(use))

    # --- asking

    def client(self, timeout_s: float = 5) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(ADDRESS, self.port, timeout=timeout_s)

    def secure_client(self, context: ssl.SSLContext) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(ADDRESS, self.tls_port, timeout=5, context=context)

    def ask(
        self, host: str, target: str = "/", method: str = "GET", body: Any = None, **fields: str
    ) -> http.client.HTTPResponse:
        """Ask over a connection of its own; the answer has its body in `told`."""
        client = self.client()
        names = {name.replace("_", "-"): value for name, value in fields.items()}
        client.request(method, target, body, {"Host": host, **names})
        answer = client.getresponse()
        octets = answer.read()
        answer.told = json.loads(octets) if octets[:1] == b"{" else octets  # type: ignore[attr-defined]
        client.close()
        return answer

    def connect(self, port: int = 0) -> socket.socket:
        return socket.create_connection((ADDRESS, port or self.port), timeout=5)

    def raw(self, octets: bytes) -> bytes:
        """Send *octets* and nothing more; return everything up to the end of the connection."""
        with self.connect() as client:
            client.sendall(octets)
            return read_all(client)


def read_all(client: socket.socket) -> bytes:
    pieces = []
    try:
        while piece := client.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pieces.append(b"<reset>")
    return b"".join(pieces)


def read_until(client: socket.socket, what: bytes) -> bytes:
    read = b""
    while what not in read:
        piece = client.recv(65536)
        if not piece:
            raise AssertionError(f"{what!r} did not come, only {read!r}")
        read += piece
    return read


def until(condition: Callable[[], bool], within_s: float = 5) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)
