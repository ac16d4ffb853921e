"""Other people's clients: curl and aiohttp (http.client asks in all other tests)."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from ingress_objects import ingress, path, rule
from ingress_world import ADDRESS, World

HOST = "a.example"


def curl(*words: str) -> str:
    program = shutil.which("curl")
    if program is None:
        pytest.skip("curl is not installed")
    done = subprocess.run(
        [program, "-sS", "--max-time", "10", *words], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture
def served(world: World) -> World:
    world.serve("web")
    world.route(ingress("web", rule(HOST, path("/", "web"))))
    return world


def test_curl_gets_posts_and_keeps_its_connection(served: World, tmp_path: Path) -> None:
    there = ("--resolve", f"{HOST}:{served.port}:{ADDRESS}")
    url = f"http://{HOST}:{served.port}/a"
    told = json.loads(curl(*there, url))
    assert told["line"] == "GET /a HTTP/1.1"
    body = tmp_path / "body"
    body.write_bytes(b"x" * 100_000)
    by_length = json.loads(curl(*there, "--data-binary", f"@{body}", url))
    chunked = ("-H", "Transfer-Encoding: chunked", "-T", str(body))
    by_chunks = json.loads(curl(*there, *chunked, url))
    assert by_length["body"] == by_chunks["body"] == "x" * 100_000
    said = curl(*there, "-o", "/dev/null", "-o", "/dev/null", "-w", "%{num_connects} ", url, url)
    assert said.split() == ["1", "0"]
    assert curl(*there, "--http1.0", "-I", url).startswith("HTTP/1.1 200 OK")


def test_curl_asks_by_tls_and_tells_its_name(served: World) -> None:
    there = ("--resolve", f"{HOST}:{served.tls_port}:{ADDRESS}", "-k")
    told = json.loads(curl(*there, f"https://{HOST}:{served.tls_port}/"))
    assert told["fields"]["x-forwarded-proto"] == "https"


def test_aiohttp_asks_many_things_at_once(served: World) -> None:
    async def ask() -> list[str]:
        url = f"http://{ADDRESS}:{served.port}"
        async with aiohttp.ClientSession(url, headers={"Host": HOST}) as session:

            async def one(at: int) -> str:
                async with session.post(f"/{at}", data=b"x" * at) as answer:
                    told = await answer.json(content_type=None)
                    assert len(told["body"]) == at
                    return str(told["line"])

            return list(await asyncio.gather(*map(one, range(100))))

    assert asyncio.run(ask()) == [f"POST /{at} HTTP/1.1" for at in range(100)]


async def _echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data.upper())
    return socket


def test_aiohttp_speaks_websocket_at_both_ends(world: World) -> None:
    async def start() -> int:
        application = web.Application()
        application.router.add_get("/socket", _echo)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, ADDRESS, 0)
        await site.start()
        runners.append(runner)
        return int(runner.addresses[0][1])

    async def talk() -> list[str]:
        url = f"http://{ADDRESS}:{world.port}"
        async with (
            aiohttp.ClientSession(url, headers={"Host": HOST}) as session,
            session.ws_connect("/socket") as socket,
        ):
            said = []
            for text in ("one", "two" * 50_000):
                await socket.send_str(text)
                said.append(await socket.receive_str())
            return said

    runners: list[web.AppRunner] = []
    world.declare("web", world.do(start()))
    world.route(ingress("web", rule(HOST, path("/", "web"))))
    try:
        assert asyncio.run(talk()) == ["ONE", "TWO" * 50_000]
    finally:
        world.do(runners[0].cleanup())
