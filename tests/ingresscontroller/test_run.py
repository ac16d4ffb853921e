"""The program's start and end, and the pages beside the proxy."""

from __future__ import annotations

import asyncio

import pytest
from ingress_world import World, read_all

from ingresscontroller import run


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--version"], 0, "NGINX Ingress controller"),
        (["--colour"], 2, "Error: unknown flag: --colour"),
        ([], 1, "KUBERNETES_SERVICE_HOST"),
    ],
)
async def test_it_says_why_it_does_not_start(words, status, said, capsys):
    assert await run.serve(words, {}, asyncio.Event()) == status
    assert said in capsys.readouterr().out


def test_status_pages_tell_health_and_counters():
    with World() as world:

        def page(path: str) -> bytes:
            with world.connect(world.pages_port) as client:
                request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                client.sendall(request.encode())
                return read_all(client)

        assert page("/healthz").startswith(b"HTTP/1.1 503 ")
        world.gateway.synced = True
        assert page("/healthz").startswith(b"HTTP/1.1 200 ")
        world.gateway.draining = True
        assert page("/healthz").startswith(b"HTTP/1.1 503 ")
        world.gateway.draining = False
        assert page("/other").startswith(b"HTTP/1.1 404 ")
        world.ask("nobody.example")
        text = page("/metrics").decode()
    assert 'nginx_ingress_controller_requests{ingress="",namespace="",status="404"}' in text
    assert "nginx_ingress_controller_nginx_process_connections 1" in text
