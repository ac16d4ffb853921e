"""Pods of two families: servers, names, and sockets that are both."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest
from aiohttp import web

from podruntime.sandbox.pod_socket import InternetSocket

from .pods import CLIENT, CLIENT6, SERVER, SERVER6, TwoPods


async def _listen(host: str | None, port: int = 80) -> asyncio.Server:
    def say(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(repr(writer.get_extra_info("peername")).encode())
        writer.close()

    return await asyncio.start_server(say, host, port)


async def _peer(host: str) -> str | None:
    try:
        reader, writer = await asyncio.open_connection(host, 80)
    except ConnectionRefusedError:
        return None
    said = await reader.read()
    writer.close()
    return eval(said)[0]


@pytest.mark.parametrize(
    ("host", "reached_by"),
    [
        (None, [CLIENT, CLIENT6]),
        ("0.0.0.0", [CLIENT, None]),
        ("::", [None, CLIENT6]),
        (SERVER6, [None, CLIENT6]),
    ],
)
def test_who_reaches_a_server_is_asyncios_choice(host, reached_by):
    async def scenario(pods: TwoPods) -> None:
        server = await _listen(host)
        assert len(server.sockets) == (2 if host is None else 1)
        assert server.sockets[-1].family == (
            socket.AF_INET if host == "0.0.0.0" else socket.AF_INET6
        )
        pods.use(pods.client)
        assert [await _peer(each) for each in (SERVER, SERVER6)] == reached_by

    TwoPods(dual_stack=True).run(scenario)


@pytest.mark.usefixtures("boundary")
def test_a_socket_of_ipv6_hears_both_unless_it_says_otherwise():
    async def scenario(pods: TwoPods) -> None:
        for v6only, expected in ((0, [f"::ffff:{CLIENT}", CLIENT6]), (1, [None, CLIENT6])):
            pods.use(pods.server)
            sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
            sock.bind(("::", 80))
            assert sock.getsockname() == ("::", 80, 0, 0)
            sock.listen()
            pods.use(pods.client)
            for host, peer in zip((SERVER, SERVER6), expected, strict=True):
                calling = pods.loop.create_task(_peer(host))
                if peer is None:
                    assert await calling is None
                    continue
                accepted, address = await pods.loop.sock_accept(sock)
                assert address[0] == peer
                assert accepted.family == socket.AF_INET6
                await pods.loop.sock_sendall(accepted, repr(address).encode())
                accepted.close()
                assert await calling == peer
            sock.close()

    TwoPods(dual_stack=True).run(scenario)


def test_names_of_both_families_are_tried_as_rfc_6724_orders_them():
    async def application(_request: web.Request) -> web.Response:
        return web.Response(text=_request.remote)

    async def scenario(pods: TwoPods) -> None:
        pods.files["/etc/hosts"] = f"{SERVER} web\n{SERVER6} web\n"
        app = web.Application()
        app.router.add_get("/", application)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, SERVER6, 80).start()
        pods.use(pods.client)
        infos = await pods.loop.getaddrinfo("web", 80, type=socket.SOCK_STREAM)
        assert [info[4][0] for info in infos] == [SERVER, SERVER6], (
            "unique local addresses come behind IPv4"
        )
        async with aiohttp.ClientSession() as session, session.get("http://web/") as answer:
            assert await answer.text() == CLIENT6, "nobody listens at the first"
        pods.use(pods.server)
        await web.TCPSite(runner, SERVER, 80).start()
        pods.use(pods.client)
        async with aiohttp.ClientSession() as session, session.get("http://web/") as answer:
            assert await answer.text() == CLIENT
        await runner.cleanup()

    TwoPods(dual_stack=True).run(scenario)


def test_datagrams_of_ipv6():
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            self.transport.sendto(data + addr[0].encode(), addr)

    class Ask(asyncio.DatagramProtocol):
        def __init__(self):
            self.answer = asyncio.get_running_loop().create_future()

        def connection_made(self, transport):
            transport.sendto(b"from ")

        def datagram_received(self, data, addr):
            self.answer.set_result((data, addr))

    async def scenario(pods: TwoPods) -> None:
        endpoint = pods.loop.create_datagram_endpoint
        await endpoint(Echo, local_addr=("::", 7))
        pods.use(pods.client)
        transport, asked = await endpoint(Ask, remote_addr=(SERVER6, 7))
        assert await asked.answer == (b"from " + CLIENT6.encode(), (SERVER6, 7, 0, 0))
        assert transport.get_extra_info("sockname")[0] == CLIENT6
        transport.close()

    TwoPods(dual_stack=True).run(scenario)


def test_a_machine_without_ipv6_has_pods_with_it(monkeypatch):
    original = socket.socket.__init__

    def without_six(self, family=-1, *rest):
        if family == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        original(self, family, *rest)

    monkeypatch.setattr(socket.socket, "__init__", without_six)

    async def scenario(pods: TwoPods) -> None:
        with InternetSocket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            assert sock.family == socket.AF_INET6
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((SERVER6, 0))
            assert sock.getsockname()[0] == SERVER6

    TwoPods(dual_stack=True).run(scenario)
