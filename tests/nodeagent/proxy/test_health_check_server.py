"""Health checks over real HTTP."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from loopback import PREFIX

from nodeagent.proxy.health_check import HealthCheck
from nodeagent.proxy.health_check_server import HealthCheckServer

ADDRESS = f"{PREFIX}.77.1"
KEY = ("d", "web")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind((ADDRESS, 0))
        return sock.getsockname()[1]


def check(port: int, count: int) -> HealthCheck:
    return HealthCheck(namespace="d", service="web", port=port, local_endpoints=count)


async def ask(port: int) -> tuple[int, dict]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{ADDRESS}:{port}/whatever") as answer,
    ):
        return answer.status, await answer.json()


@pytest.mark.asyncio
async def test_answers_follow_the_endpoints_and_end_with_the_service():
    server, port = HealthCheckServer(ADDRESS), free_port()
    await server.sync({KEY: check(port, 0)})
    assert (await ask(port))[0] == 503
    await server.sync({KEY: check(port, 2)})
    status, body = await ask(port)
    assert (status, body["localEndpoints"]) == (200, 2)
    await server.sync({})
    with pytest.raises(aiohttp.ClientConnectorError):
        await ask(port)
    await server.close()


@pytest.mark.asyncio
async def test_a_port_that_is_taken_is_tried_again(caplog):
    server, port = HealthCheckServer(ADDRESS), free_port()
    with socket.socket() as taken:
        taken.bind((ADDRESS, port))
        taken.listen()
        await server.sync({KEY: check(port, 1)})
        assert "cannot listen" in caplog.text
    await server.sync({KEY: check(port, 1)})
    assert (await ask(port))[0] == 200
    await server.close()
