"""agnhost, the test image of Kubernetes' end-to-end tests: the subcommands about the network.

`netexec`, `serve-hostname`, `connect`, `porter`, `liveness`, `grpc-health-checking`, `pause`. They
are worded as upstream's (test/images/agnhost): tests compare them. SCTP and TLS are left out.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Final, cast
from urllib.parse import quote

from componentbase.clock import rfc3339_micro, wall
from podruntime.images import flags
from podruntime.images.addresses import Peer, show
from podruntime.images.busybox import APPLETS
from podruntime.images.busybox.curl import curl
from podruntime.images.documentation import liveness
from podruntime.images.grpc_health import grpc_health_checking
from podruntime.images.http_client import BadUrl, Url, fetch
from podruntime.images.http_message import MalformedMessage
from podruntime.images.http_server import Handler, HttpServer, Request, Response
from podruntime.images.image import Image
from podruntime.images.pause import pause
from podruntime.images.process import Octets, Process, Program
from podruntime.images.shell.builtins import sh

_DIAL_TIMEOUT_S: Final = 5.0
_TRIES_MAX: Final = 1000
_GO_TERMINATED: Final = 2


class _Udp(asyncio.DatagramProtocol):
    """netexec's UDP side: `hostname`, `echo TEXT`, `clientip`."""

    def __init__(self, process: Process, *, only_hostname: bool = False) -> None:
        self._process, self._only_hostname = process, only_hostname

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        if self._only_hostname:
            self._transport.sendto(self._process.hostname.encode(), addr)
            return
        command, _, rest = data.decode(errors="replace").strip().partition(" ")
        self._process.complain(f"Starting {command} from {show(addr)}")
        answers = {
            "hostname": self._process.hostname,
            "echo": rest,
            "clientip": show(addr),
        }
        if command.lower() in answers:
            self._transport.sendto(answers[command.lower()].encode(), addr)
        elif command:
            self._process.complain(f"Unknown udp command: {command} {rest}")


class _NetExec:
    """netexec's HTTP side."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._exiting: asyncio.TimerHandle | None = None
        self.udp_ready = False
        self._routes: Mapping[str, Handler] = {
            "/clientip": self._client_ip,
            "/dial": self._dial,
            "/echo": self._echo,
            "/exit": self._exit,
            "/header": self._header,
            "/healthz": self._healthz,
            "/hostname": self._hostname,
            "/hostName": self._hostname,
            "/redirect": self._redirect,
            "/shell": self._shell,
            "/shutdown": self._shutdown,
        }

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """Find the handler of a path; every other path says what time it is."""
        return self._routes.get(request.path, self._root)(request)

    def _root(self, request: Request) -> Response:
        self._process.complain(f"GET {request.target}")
        return _text(f"NOW: {rfc3339_micro(wall()).replace('T', ' ')[:-1]} +0000 UTC")

    def _hostname(self, _request: Request) -> Response:
        return _text(self._process.hostname)

    def _client_ip(self, request: Request) -> Response:
        return _text(show(request.peer))

    def _header(self, request: Request) -> Response:
        return _text(request.headers.get(request.value("key")))

    def _healthz(self, _request: Request) -> Response:
        return Response(200) if self.udp_ready else Response(412)

    def _echo(self, request: Request) -> Response:
        code = request.value("code", "200")
        if not (code.isdigit() and 100 <= int(code) <= 599):
            return _text(f"argument 'code' must be an HTTP status code, got {code!r}", 400)
        return _text(request.value("msg"), int(code))

    def _redirect(self, request: Request) -> Response:
        code = request.value("code", "302")
        status = int(code) if code.isdigit() else 302
        return Response(status, headers=[("Location", request.value("location"))])

    def _exit(self, request: Request) -> Response:
        code = request.value("code", "0")
        try:
            delay_s = flags.duration_s(request.value("timeout", "0s"))
        except flags.BadFlags as error:
            return _text(str(error), 400)
        if not code.lstrip("-").isdigit():
            return _text(f"argument 'code' must be an integer or empty, got {code!r}", 400)
        self._exiting = asyncio.get_running_loop().call_later(delay_s, self._end, int(code))
        return Response(200)

    def _shutdown(self, _request: Request) -> Response:
        asyncio.get_running_loop().call_soon(self._end, 0)
        return Response(200)

    def _end(self, code: int) -> None:
        if not self.exited.done():
            self.exited.set_result(code & 0xFF)

    async def _shell(self, request: Request) -> Response:
        command = request.value("shellCommand") or request.value("cmd")
        stdout, stderr = Octets(), Octets()
        child = self._process.child(["sh", "-c", command])
        child.stdout, child.stderr = stdout, stderr
        status = await sh(child)
        result = {"output": (stdout.taken() + stderr.taken()).decode(errors="replace")}
        if status:
            result["error"] = f"exit status {status}"
        return _text(json.dumps(result, separators=(",", ":")))

    async def _dial(self, request: Request) -> Response:
        """Ask another netexec, as often as `tries` says, and report what it answered."""
        host, port = request.value("host"), request.value("port")
        protocol = request.value("protocol", "http")
        asked = request.value("request", "hostname")
        tries_text = request.value("tries", "1")
        if not host:
            return _text(f"invalid host: {host!r}", 400)
        if not port.isdigit() or not 0 < int(port) <= 0xFFFF:
            return _text(f"invalid port: {port!r}", 400)
        if protocol not in ("http", "udp"):
            return _text(f"unsupported protocol. {protocol}", 400)
        if not tries_text.isdigit() or int(tries_text) > _TRIES_MAX:
            return _text(f"tries parameter is invalid. {tries_text!r}", 400)
        dial = _dial_http if protocol == "http" else _dial_udp
        responses, errors = list[str](), list[str]()
        for _ in range(int(tries_text)):
            try:
                async with asyncio.timeout(_DIAL_TIMEOUT_S):
                    responses.append(await dial(host, int(port), asked))
            except (OSError, MalformedMessage, BadUrl) as error:
                errors.append(str(error) or type(error).__name__)
        output = {"responses": responses} if responses else {}
        if errors:
            output["errors"] = errors
        return _text(json.dumps(output, separators=(",", ":")))


async def _dial_http(host: str, port: int, asked: str) -> str:
    answer = await fetch(Url(host, port, "/" + quote(asked, safe="/?=&%")))
    return answer.body.decode(errors="replace")


async def _dial_udp(host: str, port: int, asked: str) -> str:
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[bytes] = loop.create_future()

    class Answer(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _addr: tuple[str, int]) -> None:
            if not answered.done():
                answered.set_result(data)

        def error_received(self, exc: Exception) -> None:
            if not answered.done():
                answered.set_exception(exc)

    transport, _ = await loop.create_datagram_endpoint(Answer, remote_addr=(host, port))
    try:
        transport.sendto(asked.encode())
        return (await answered).decode(errors="replace")
    finally:
        transport.close()


def _constant(body: bytes, _request: Request) -> Response:
    return Response(body=body)


def _text(text: str, status: int = 200) -> Response:
    return Response(status, text.encode())


async def _netexec(process: Process) -> int:
    defaults = {
        "http-port": "8080",
        "udp-port": "8081",
        "sctp-port": "-1",
        "delay-shutdown": "0",
        "tls-cert-file": "",
        "tls-private-key-file": "",
        "http-override": "",
        "udp-listen-addresses": "",
    }
    options = flags.parse(process.arguments, defaults)
    http_port, udp_port = options.number("http-port"), options.number("udp-port")
    delay_s = options.number("delay-shutdown")
    site = _NetExec(process)
    if delay_s > 0:
        loop = asyncio.get_running_loop()
        process.on_terminate = lambda: _end_later(loop, site, delay_s)
    else:
        process.exit_on_terminate(_GO_TERMINATED)
    async with AsyncExitStack() as opened:
        if udp_port >= 0:
            await _open_udp(opened, _Udp(process), udp_port)
            process.complain(f"Started UDP server on port  {udp_port}")
        site.udp_ready = True
        await _open_http(opened, site.answer, http_port)
        process.complain(f"Started HTTP server on port {http_port}")
        return await site.exited


async def _open_udp(opened: AsyncExitStack, protocol: _Udp, port: int) -> None:
    loop = asyncio.get_running_loop()
    # One socket for both families, as Go's programs have it.
    transport, _ = await loop.create_datagram_endpoint(lambda: protocol, local_addr=("::", port))
    opened.callback(transport.close)


async def _open_http(opened: AsyncExitStack, handler: Handler, port: int) -> None:
    server = HttpServer(handler)
    await server.start(port)
    opened.push_async_callback(server.close)


def _end_later(loop: asyncio.AbstractEventLoop, site: _NetExec, delay_s: float) -> None:
    loop.call_later(delay_s, site._end, 0)


async def _serve_hostname(process: Process) -> int:
    defaults = {"http": "true", "tcp": "false", "udp": "false", "close": "false", "port": "9376"}
    options = flags.parse(process.arguments, defaults)
    port, name = options.number("port"), process.hostname
    process.exit_on_terminate(0)
    async with AsyncExitStack() as opened:
        if options.true("udp"):
            await _open_udp(opened, _Udp(process, only_hostname=True), port)
        if options.true("tcp"):
            tcp = await asyncio.start_server(lambda _r, w: _say(w, name), None, port)
            opened.callback(tcp.close)
        elif options.true("http"):
            await _open_http(opened, lambda _request: _text(name), port)
        process.complain(f"Serving on port {port}.")
        await asyncio.Event().wait()
    return 0


def _say(writer: asyncio.StreamWriter, text: str) -> None:
    writer.write(text.encode())
    writer.close()


async def _connect(process: Process) -> int:
    """Try one TCP connection; say DNS, TIMEOUT, REFUSED or OTHER when it fails."""
    options = flags.parse(process.arguments, {"timeout": "0s", "protocol": "tcp"})
    if len(options.words) != 1:
        raise flags.BadFlags(f"accepts 1 arg(s), received {len(options.words)}")
    host, _, port = options.words[0].rpartition(":")
    if not host or not port.isdigit():
        process.complain(f"OTHER: address {options.words[0]}: missing port in address")
        return 1
    try:
        async with asyncio.timeout(options.seconds("timeout") or None):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except socket.gaierror as error:
        process.complain(f"DNS: lookup {host}: {error.strerror}")
    except TimeoutError:
        process.complain("TIMEOUT")
    except ConnectionRefusedError:
        process.complain("REFUSED")
    except OSError as error:
        process.complain(f"OTHER: {error}")
    else:
        writer.close()
        return 0
    return 1


async def _porter(process: Process) -> int:
    """Serve each SERVE_PORT_n=text at port n."""
    process.exit_on_terminate(_GO_TERMINATED)
    async with AsyncExitStack() as opened:
        for name, text in process.env.items():
            port = name.removeprefix("SERVE_PORT_")
            if port != name and port.isdigit():
                await _open_http(opened, partial(_constant, text.encode()), int(port))
                process.complain(f"Server on port {port}")
        await asyncio.Event().wait()
    return 0


SERVE_HOSTNAME: Final = Image(
    programs={"serve_hostname": _serve_hostname}, cmd=("/serve_hostname",), size=4_000_000
)
_COMMANDS: Final[Mapping[str, Program]] = {
    "connect": _connect,
    "grpc-health-checking": grpc_health_checking,
    "liveness": liveness,
    "netexec": _netexec,
    "pause": pause,
    "porter": _porter,
    "serve-hostname": _serve_hostname,
}


async def agnhost(process: Process) -> int:
    """Run a subcommand; the image's default is `pause`."""
    name, *arguments = process.arguments or ["help"]
    command = _COMMANDS.get(name)
    if command is None:
        process.complain(f'Error: unknown command "{name}" for "app"')
        return 1
    process.argv = [name, *arguments]
    try:
        return await command(process)
    except flags.BadFlags as error:
        process.complain(f"Error: {error}")
    except OSError as error:
        process.complain(f"Error: {error.strerror or error}")
    return 1


IMAGE: Final = Image(
    programs={**APPLETS, "agnhost": agnhost, "bash": sh, "curl": curl},
    entrypoint=("/agnhost",),
    cmd=("pause",),
    size=53_000_000,
)
