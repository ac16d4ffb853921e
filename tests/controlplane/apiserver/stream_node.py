"""A node that gives streams: the real kubelet's routes, before a pod that is a few lines.

Its program is chosen by the command: `cat` says what it hears, `fail` ends with 7, `size` tells its
terminal's size, `hang` does nothing until its client goes, `flood` writes without end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
from pathlib import Path

from aiohttp import web

from componentbase import channels
from componentbase.unix import socket_path
from nodeagent.kubelet.streaming import Place, Streaming

SUCCESS = {"metadata": {}, "status": "Success"}


def failure(code: int) -> dict:
    causes = [{"reason": "ExitCode", "message": str(code)}]
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": causes},
    }


class Pod:
    """What listens at stream.sock."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.left = threading.Event()

    async def serve(self, reader, writer) -> None:
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.left.set()
            writer.close()

    async def _serve(self, reader, writer) -> None:
        [(method, params)] = json.loads(await reader.readline()).items()
        self.asked.append({method: params})
        if params.get("cmd") == ["refused"] or params.get("port") == 81:
            answer = {"error": "it cannot be done", "code": "Unavailable"}
            writer.write(json.dumps(answer).encode() + b"\n")
            return
        writer.write(b'{"ok": true}\n')
        if method == "port_forward":
            writer.write((await reader.read()).upper())
            writer.write_eof()
        else:
            await self._program(params.get("cmd") or ["cat"], reader, writer)

    async def _program(self, command, reader, writer) -> None:
        def say(channel, octets):
            writer.write(channels.frames(channel, octets))

        status = SUCCESS
        if command == ["fail"]:
            say(1, b"out\n")
            say(2, b"err\n")
            status = failure(7)
        elif command == ["flood"]:
            while True:
                say(1, bytes(65536))
                await writer.drain()
        while command != ["fail"] and (came := await channels.read_frame(reader)) is not None:
            channel, octets = came
            if channel == channels.STDIN:
                say(1, octets)
            elif command == ["size"] and channel == channels.RESIZE:
                say(1, octets)
                break
            elif channel == channels.CLOSE and command != ["hang"]:
                break
        say(channels.ERROR, json.dumps(status).encode())
        await writer.drain()


class Kernel:
    """Dials with the machine's own stack, where a node would ask its datapath."""

    @contextlib.asynccontextmanager
    async def connect(self, _address, port, _timeout_s):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()


class StreamNode:
    """The kubelet, on a thread of its own."""

    def __init__(self, authority, directory: Path) -> None:
        self._authority, self._path = authority, directory / "stream.sock"
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.pod = Pod()
        self.port = self.web_port = 0
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []

    def container_place(self, _namespace, _pod, container) -> Place:
        if container == "dead":
            raise LookupError('container not found ("dead")')
        return Place(socket=self._path, container_id=container)

    def sandbox_place(self, _namespace, _pod) -> Place:
        return Place(socket=self._path)

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._close())

    async def _close(self) -> None:
        self._unix.close()
        for runner in (self._runner, self._web):
            await runner.cleanup()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            await asyncio.wait([task])
        await asyncio.sleep(0.05)  # Transports close a turn later.

    async def _serve(self) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self._authority.file)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(*self._authority.issue("system:node:n1", ["system:nodes"]))
        with socket_path(self._path) as address:
            self._unix = await asyncio.start_unix_server(self.pod.serve, address)
        app = web.Application()
        Streaming(self, Kernel()).add_routes(app)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context).start()
        self.port = self._runner.addresses[0][1]
        behind = web.Application()
        behind.router.add_route("*", "/{path:.*}", self._answer)
        self._web = web.AppRunner(behind, shutdown_timeout=0.1)
        await self._web.setup()
        await web.TCPSite(self._web, "127.0.0.1", 0).start()
        self.web_port = self._web.addresses[0][1]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Be what stands behind a proxy."""
        body = await request.read()
        self.seen.append((request.method, request.raw_path, dict(request.headers), body))
        match request.path:
            case "/page":
                return web.Response(text='<a href="/next">', content_type="text/html")
            case "/moved":
                return web.Response(status=302, headers={"Location": "/page?x=1"})
            case "/socket":
                ws = web.WebSocketResponse()
                await ws.prepare(request)
                async for message in ws:
                    await ws.send_str(message.data.upper())
                return ws
        return web.Response(status=418, body=body or b"nothing", headers={"X-Own": "1"})
