"""nginx, agnhost and the small web servers, over the kernel's loopback."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import grpc
import pytest

from componentbase.grpc import health
from podruntime.images import httpd, nginx, registry
from podruntime.images.http_client import Url, fetch
from podruntime.images.http_server import HttpServer
from podruntime.images.nginx import ROOT, SIGNATURE
from podruntime.images.process import find_program
from podruntime.images.static_site import Site

from .processes import process, run

pytestmark = pytest.mark.asyncio


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@asynccontextmanager
async def running(image, arguments=(), env=None):
    """Run an image's own command until the block ends."""
    found = registry.find(image).image
    argv = found.command(None, list(arguments) or None)
    made = process(
        argv, env={**found.env, **(env or {})}, files=found.files, programs=found.programs
    )
    task = asyncio.get_running_loop().create_task(find_program(found.programs, argv[0])(made))
    try:
        yield made, task
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None


async def get(port, path="/", **options):
    async with asyncio.timeout(5):
        while True:
            try:
                return await fetch(Url("127.0.0.1", port, path), **options)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)


async def test_nginx_welcomes_and_logs():
    made = process(["nginx"], files=registry.find("nginx").image.files)
    site = Site(made, ROOT, SIGNATURE)
    server = HttpServer(site.answer, server_name="nginx/1.27.3", on_answer=site.log)
    await server.start(0, "127.0.0.1")
    port = server._server.sockets[0].getsockname()[1]
    answer = await get(port, headers={"User-Agent": "test"})
    assert (answer.status, answer.head.headers.get("Server")) == (200, "nginx/1.27.3")
    assert b"<title>Welcome to nginx!</title>" in answer.body
    assert answer.head.headers.get("Content-Type") == "text/html"
    etag = answer.head.headers.get("ETag")
    assert (await get(port, headers={"If-None-Match": etag})).status == 304
    assert (await get(port, "/none")).status == 404
    assert (await get(port, "/../etc/nginx/nginx.conf")).status == 400
    assert (await get(port, method="DELETE")).status == 405
    made.files.make_directory("/usr/share/nginx/html/sub")
    assert (await get(port, "/sub")).head.headers.get("Location").endswith("/sub/")
    assert (await get(port, "/sub/")).status == 403
    made.files.write("/usr/share/nginx/html/sub/a.json", b"{}")
    assert (await get(port, "/sub/a.json")).head.headers.get("Content-Type") == "application/json"
    first = made.stdout.taken().decode().splitlines()[0]
    assert first.startswith("127.0.0.1 - - [")
    assert first.endswith('"GET / HTTP/1.1" 200 280 "-" "test" "-"')
    await server.close()


async def test_netexec_answers_as_upstream():
    http, udp = free_port(), free_port()
    arguments = ["netexec", f"--http-port={http}", "--udp-port", str(udp)]
    async with running("registry.k8s.io/e2e-test-images/agnhost:2.47", arguments) as (_, task):
        assert (await get(http)).body.startswith(b"NOW: 20")
        assert (await get(http, "/hostName")).body == b"pod-1"
        assert (await get(http, "/hostname")).body == b"pod-1"
        answer = await get(http, "/clientip")
        assert answer.body.decode() == f"127.0.0.1:{answer.local[1]}"
        answer = await get(http, "/echo?msg=hi&code=418")
        assert (answer.status, answer.body) == (418, b"hi")
        assert (await get(http, "/echo?code=9")).status == 400
        assert (await get(http, "/healthz")).status == 200
        answer = await get(http, "/header?key=X-Me", headers={"X-Me": "1"})
        assert answer.body == b"1"
        answer = await get(http, "/shell?shellCommand=echo%20a;exit%203")
        assert json.loads(answer.body) == {"output": "a\n", "error": "exit status 3"}
        dial = f"/dial?host=127.0.0.1&port={udp}&protocol=udp&request=echo%20x&tries=2"
        assert json.loads((await get(http, dial)).body) == {"responses": ["x", "x"]}
        dial = f"/dial?host=127.0.0.1&port={http}&request=echo?msg=y"
        assert json.loads((await get(http, dial)).body) == {"responses": ["y"]}
        dial = f"/dial?host=127.0.0.1&port={free_port()}"
        assert list(json.loads((await get(http, dial)).body)) == ["errors"]
        assert (await get(http, "/dial?port=1")).status == 400
        assert (await get(http, "/exit?code=7")).status == 200
        async with asyncio.timeout(5):
            assert await task == 7


async def test_serve_hostname_over_http_and_tcp():
    port = free_port()
    async with running("agnhost", ["serve-hostname", "--port", str(port)]):
        assert (await get(port)).body == b"pod-1"
    async with running(
        "agnhost", ["serve-hostname", "--tcp", "--http=false", f"--port={port}"]
    ) as (made, _):
        async with asyncio.timeout(5):
            while b"Serving" not in made.stderr.taken():
                await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b"pod-1"
        writer.close()
        await writer.wait_closed()


async def test_agnhost_connect_says_why():
    programs = registry.find("agnhost").image.programs
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await run(["agnhost", "connect", f"127.0.0.1:{port}"], programs=programs) == (0, "", "")
    server.close()
    await server.wait_closed()
    refused = await run(["agnhost", "connect", f"127.0.0.1:{port}"], programs=programs)
    assert refused == (1, "", "REFUSED\n")
    bad = await run(["agnhost", "connect", "--timeout=1x", "a:1"], programs=programs)
    assert bad[0] == 1
    assert "invalid duration" in bad[2]
    assert (await run(["agnhost", "nope"], programs=programs))[0] == 1


async def test_porter_serves_what_the_environment_says():
    port = free_port()
    async with running("agnhost", ["porter"], {f"SERVE_PORT_{port}": "foo"}):
        assert (await get(port)).body == b"foo"


async def asked_of_health(port: int, service: str) -> str:
    """Return what Health.Check says, as gRPC's own client tells it."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        check = channel.unary_unary(health.CHECK)
        try:
            answer = await check(health.emit_request(service), wait_for_ready=True, timeout=10)
        except grpc.aio.AioRpcError as error:
            return error.details()
        return health.parse_response(answer)


async def test_grpc_health_checking_serves_until_it_is_told_not_to():
    port, http = free_port(), free_port()
    arguments = ["grpc-health-checking", f"--port={port}", f"--http-port={http}", "--service=a"]
    async with running("agnhost", arguments):
        assert await asked_of_health(port, "a") == "SERVING"
        assert await asked_of_health(port, "b") == "unknown service"
        assert (await get(http, "/make-not-serving")).status == 200
        assert await asked_of_health(port, "a") == "NOT_SERVING"
        assert (await get(http, "/make-serving")).status == 200
        assert await asked_of_health(port, "a") == "SERVING"
        assert (await get(http, "/")).status == 404
    arguments = ["grpc-health-checking", f"--port={port}", f"--http-port={http}"]
    async with running("agnhost", [*arguments, "--delay-unhealthy-sec=0"]):
        assert await asked_of_health(port, "") == "NOT_SERVING"


async def test_the_tutorials_web_servers():
    port = free_port()
    image = "us-docker.pkg.dev/google-samples/containers/gke/hello-app:2.0"
    async with running(image, env={"PORT": str(port)}):
        assert (await get(port)).body == b"Hello, world!\nVersion: 2.0.0\nHostname: pod-1\n"
    async with running("hashicorp/http-echo", ["-text=hi", f"-listen=:{port}"]):
        assert (await get(port)).body == b"hi\n"
    async with running("traefik/whoami:v1.10", ["--port", str(port)]):
        text = (await get(port, "/p")).body.decode()
        assert text.startswith("Hostname: pod-1\nIP: 127.0.0.1\nIP: 10.244.1.2\nRemoteAddr: 127.")
        assert "GET /p HTTP/1.1\n" in text
        assert json.loads((await get(port, "/api")).body)["hostname"] == "pod-1"


async def test_pause_ends_with_0_when_told():
    async with running("registry.k8s.io/pause") as (made, task):
        async with asyncio.timeout(5):
            while made.on_terminate is None:
                await asyncio.sleep(0)
        made.on_terminate()
        await asyncio.wait([task])
        assert made.terminated_with == 0


async def test_httpd_works():
    image = registry.find("registry.k8s.io/e2e-test-images/httpd:2.4.38-4").image
    made = process(["httpd"], files=image.files)
    server = HttpServer(Site(made, httpd.ROOT, "Apache").answer)
    await server.start(0, "127.0.0.1")
    port = server._server.sockets[0].getsockname()[1]
    assert (await get(port)).body == b"<html><body><h1>It works!</h1></body></html>\n"
    assert b"<center>Apache</center>" in (await get(port, "/none")).body
    await server.close()


async def test_nginx_is_told_to_quit_by_its_own_command():
    found = registry.find("nginx").image
    port = free_port()
    made = process(["nginx"], files=found.files, programs=found.programs)
    task = asyncio.get_running_loop().create_task(nginx.nginx(made, port))
    assert (await get(port)).status == 200
    hook = made.child(["sh", "-c", "killall -0 nginx && nginx -s quit"])
    async with asyncio.timeout(5):
        assert await find_program(found.programs, "sh")(hook) == 0
        assert await task == 0
    assert b"gracefully shutting down" in made.stderr.taken()
    status, _, said = await run(["nginx", "-s", "quit"], programs=found.programs)
    assert (status, said) == (1, 'nginx: [error] invalid PID number "" in "/run/nginx.pid"\n')
    assert (await run(["nginx", "-s", "no"], programs=found.programs))[0] == 1
