"""Small web servers that Kubernetes' documentation and tutorials deploy."""

from __future__ import annotations

import json
from functools import partial
from typing import Final

from podruntime.images import flags
from podruntime.images.addresses import show, unmapped
from podruntime.images.http_server import Handler, HttpServer, Request, Response, serve_forever
from podruntime.images.image import Image
from podruntime.images.process import Process

#: What a Go program that does not handle SIGTERM ends with as PID 1.
_GO_TERMINATED: Final = 2


async def _serve(
    process: Process, handler: Handler, port: int, *, terminated: int = _GO_TERMINATED
) -> int:
    process.exit_on_terminate(terminated)
    try:
        await serve_forever(HttpServer(handler), port)
    except OSError:
        process.complain(f"listen tcp :{port}: bind: address already in use")
    return 1


def _port(process: Process, default: int) -> int:
    text = process.env.get("PORT", "")
    return int(text) if text.isdigit() else default


async def _hello(process: Process, version: str) -> int:
    def answer(request: Request) -> Response:
        process.complain(f"Serving request: {request.target}")
        text = f"Hello, world!\nVersion: {version}\nHostname: {process.hostname}\n"
        return Response(body=text.encode())

    port = _port(process, 8080)
    process.complain(f"Server listening on port {port}")
    return await _serve(process, answer, port)


def hello_app(tag: str) -> Image:
    """Return gke/hello-app of a version: 1.0 says 1.0.0, 2.0 says 2.0.0."""
    version = "2.0.0" if tag.startswith("2") else "1.0.0"
    return Image(programs={"hello-app": partial(_hello, version=version)}, cmd=("/hello-app",))


async def _node_hello(process: Process) -> int:
    return await _serve(
        process, lambda _request: Response(body=b"Hello Kubernetes!"), 8080, terminated=143
    )


NODE_HELLO: Final = Image(programs={"node": _node_hello}, cmd=("node", "server.js"))


async def _http_echo(process: Process) -> int:
    defaults = {"listen": ":5678", "text": "", "status-code": "200", "version": "false"}
    try:
        options = flags.parse(process.arguments, defaults)
        status = options.number("status-code")
    except flags.BadFlags as error:
        process.complain(str(error))
        return 2
    text = options.text("text") or process.env.get("ECHO_TEXT", "")
    if not text:
        process.complain("Missing -text option!")
        return 127

    def answer(_request: Request) -> Response:
        return Response(status, text.encode() + b"\n", headers=[("X-App-Name", "http-echo")])

    port = int(options.text("listen").rpartition(":")[2])
    process.complain(f"[INFO] server is listening on {options.text('listen')}")
    return await _serve(process, answer, port, terminated=0)


HTTP_ECHO: Final = Image(programs={"http-echo": _http_echo}, entrypoint=("/http-echo",))


async def _whoami(process: Process) -> int:
    defaults = {"port": "80", "name": "", "verbose": "false"}
    options = flags.parse(process.arguments, defaults)
    name = options.text("name") or process.env.get("WHOAMI_NAME", "")
    own = ["127.0.0.1", "::1", *(str(each.ip) for each in process.network.interfaces)]
    if all(each.version == 4 for each in process.network.interfaces):
        own.remove("::1")

    def answer(request: Request) -> Response:
        if request.path == "/health":
            return Response(200)
        facts = {"hostname": process.hostname, "ip": own, "name": name}
        if request.path == "/api":
            return Response(body=json.dumps(facts).encode(), content_type="application/json")
        lines = [
            *([f"Name: {name}"] if name else []),
            f"Hostname: {process.hostname}",
            *(f"IP: {address}" for address in own),
            f"RemoteAddr: {show(request.peer)}",
            f"{request.method} {request.target} {request.version}",
            *(f"{key}: {value}" for key, value in request.headers.fields),
        ]
        return Response(body="\n".join([*lines, ""]).encode())

    port = int(process.env.get("WHOAMI_PORT_NUMBER", options.text("port")))
    process.complain(f"Starting up on port {port}")
    return await _serve(process, answer, port)


WHOAMI: Final = Image(programs={"whoami": _whoami}, entrypoint=("/whoami",))


async def _echoserver(process: Process) -> int:
    def answer(request: Request) -> Response:
        headers = "".join(f"\t{k.lower()}={v}\n" for k, v in request.headers.fields)
        text = (
            f"\n\nHostname: {process.hostname}\n\nRequest Information:\n"
            f"\tclient_address={unmapped(request.peer[0])}\n\tmethod={request.method}\n"
            f"\treal path={request.target}\n\tquery={request.target.partition('?')[2]}\n"
            f"\trequest_version={request.version.removeprefix('HTTP/')}\n"
            f"\nRequest Headers:\n{headers}\nRequest Body:\n{request.body.decode('latin-1')}\n"
        )
        return Response(body=text.encode(), content_type="text/plain")

    return await _serve(process, answer, 8080, terminated=0)


ECHOSERVER: Final = Image(programs={"nginx": _echoserver}, cmd=("nginx",))
