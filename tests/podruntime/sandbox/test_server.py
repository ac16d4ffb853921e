"""create_server and its Server: hosts, ports, sockets, and every way to end."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import sys

import pytest

from .pods import CLIENT, SERVER, TwoPods


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def _asks(host: str, port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return False
    writer.write(b"hello\n")
    answer = await reader.readline()
    writer.close()
    return answer == b"hello\n"


def test_several_hosts_are_several_sockets_and_port_0_is_chosen():
    async def scenario(pods: TwoPods) -> None:
        server = await asyncio.start_server(_echo, [SERVER, "127.0.0.1"], 0)
        names = [each.getsockname() for each in server.sockets]
        assert [host for host, _ in names] == [SERVER, "127.0.0.1"]
        assert all(32768 <= port <= 60999 for _, port in names)
        assert all(each.family == socket.AF_INET for each in server.sockets)
        assert all(each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) for each in
                   server.sockets)  # fmt: skip
        assert await _asks("127.0.0.1", names[1][1])
        pods.use(pods.client)
        assert await _asks(SERVER, names[0][1])
        assert not await _asks(SERVER, names[1][1]), "that one listens at 127.0.0.1"
        server.close()
        assert server.sockets == ()

    TwoPods().run(scenario)


@pytest.mark.parametrize("host", [None, "", "0.0.0.0", ["0.0.0.0", SERVER]])
def test_any_host_is_every_address(host):
    async def scenario(pods: TwoPods) -> None:
        if isinstance(host, list):
            with pytest.raises(OSError, match=rf"bind on address \('{SERVER}', 80\)") as caught:
                await asyncio.start_server(_echo, host, 80)
            assert caught.value.errno == errno.EADDRINUSE
            await asyncio.start_server(_echo, "0.0.0.0", 80)  # The failure let go of the port.
        else:
            await asyncio.start_server(_echo, host, 80)
        pods.use(pods.client)
        assert await _asks(SERVER, 80)

    TwoPods().run(scenario)


def test_a_server_that_does_not_serve_yet_refuses():
    async def scenario(pods: TwoPods) -> None:
        server = await asyncio.start_server(_echo, SERVER, 80, start_serving=False)
        assert not server.is_serving()
        assert server.sockets[0].getsockname() == (SERVER, 80)
        with pytest.raises(OSError, match="already in use"):
            await asyncio.start_server(_echo, SERVER, 80)
        pods.use(pods.client)
        assert not await _asks(SERVER, 80)
        await server.start_serving()
        assert server.is_serving()
        assert await _asks(SERVER, 80)
        server.close()
        assert not await _asks(SERVER, 80)
        with pytest.raises(RuntimeError, match="is closed"):
            await server.start_serving()

    TwoPods().run(scenario)


def test_close_lets_connections_live_and_wait_closed_is_the_pythons_own():
    async def scenario(pods: TwoPods) -> None:
        server = await asyncio.start_server(_echo, SERVER, 80)
        pods.use(pods.client)
        reader, writer = await asyncio.open_connection(SERVER, 80)
        writer.write(b"one\n")
        assert await reader.readline() == b"one\n"
        waiting = pods.loop.create_task(server.wait_closed())
        await asyncio.sleep(0.01)
        assert not waiting.done(), "it is not closed"
        server.close()
        await asyncio.sleep(0.01)
        if sys.version_info >= (3, 12):
            assert not waiting.done(), "it has a connection"
        writer.write(b"two\n")
        assert await reader.readline() == b"two\n"
        writer.close()
        await waiting
        await server.wait_closed()

    TwoPods().run(scenario)


def test_clients_are_closed_and_aborted():
    async def scenario(pods: TwoPods) -> None:
        server = await asyncio.start_server(_echo, SERVER, 80)
        pods.use(pods.client)
        ends = []
        for end in (server.close_clients, server.abort_clients):
            reader, writer = await asyncio.open_connection(SERVER, 80)
            writer.write(b"x\n")
            await reader.readline()
            end()
            try:
                ends.append(await reader.read())
            except ConnectionResetError:
                ends.append(None)
            writer.close()
        assert ends == [b"", None], "FIN, then RST"

    TwoPods().run(scenario)


def test_serve_forever_ends_when_cancelled_and_when_closed():
    async def scenario(pods: TwoPods) -> None:
        for end in ("cancel", "close"):
            server = await asyncio.start_server(_echo, SERVER, 80)
            forever = pods.loop.create_task(server.serve_forever())
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="already being awaited"):
                await server.serve_forever()
            if end == "cancel":
                forever.cancel()
            else:
                server.close()
            with pytest.raises(asyncio.CancelledError):
                await forever
            assert server.sockets == ()
            with pytest.raises(RuntimeError, match="is closed"):
                await server.serve_forever()
        async with await asyncio.start_server(_echo, SERVER, 80) as server:
            assert server.is_serving()
        assert not server.is_serving()

    TwoPods().run(scenario)


def test_wrong_arguments_raise_what_asyncio_raises():
    async def scenario(pods: TwoPods) -> None:
        serve = pods.loop.create_server
        with pytest.raises(ValueError, match="Neither host/port nor sock were specified"):
            await serve(asyncio.Protocol)
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            with pytest.raises(ValueError, match="host/port and sock can not be specified"):
                await serve(asyncio.Protocol, "0.0.0.0", 80, sock=stream)
            with pytest.raises(ValueError, match="A Stream Socket was expected"):
                await serve(asyncio.Protocol, sock=datagrams)
        with pytest.raises(TypeError, match="must be an SSLContext or None"):
            await serve(asyncio.Protocol, "0.0.0.0", 80, ssl=True)
        with pytest.raises(ValueError, match="ssl_handshake_timeout is only meaningful with ssl"):
            await serve(asyncio.Protocol, "0.0.0.0", 80, ssl_handshake_timeout=1)
        with pytest.raises(ValueError, match="ssl_shutdown_timeout is only meaningful with ssl"):
            await serve(asyncio.Protocol, "0.0.0.0", 80, ssl_shutdown_timeout=1)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with pytest.raises(ValueError, match="should be a positive number, got 0"):
            await serve(asyncio.Protocol, "0.0.0.0", 80, ssl=context, ssl_handshake_timeout=0)
        with pytest.raises(OverflowError):
            await serve(asyncio.Protocol, "0.0.0.0", 65536)
        with pytest.raises(socket.gaierror):
            await serve(asyncio.Protocol, "0.0.0.0", "no such service")
        with pytest.raises(OSError, match="cannot assign requested address") as caught:
            await serve(asyncio.Protocol, CLIENT, 80)
        assert caught.value.errno == errno.EADDRNOTAVAIL
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            await serve(asyncio.Protocol, "0.0.0.0", 80, no_such_option=1)

    TwoPods().run(scenario)


def test_options_of_kernel_sockets_are_accepted():
    async def scenario(pods: TwoPods) -> None:
        server = await pods.loop.create_server(
            asyncio.Protocol,
            "0.0.0.0",
            80,
            family=socket.AF_INET,
            reuse_address=True,
            reuse_port=True,
            keep_alive=True,
            backlog=5,
        )
        pods.use(pods.client)
        _, writer = await asyncio.open_connection(SERVER, 80)
        await asyncio.sleep(0.01)
        (accepted,) = pods.server_interface.host.tcp.connections()
        assert accepted.keepalive is not None
        writer.close()
        server.close()

    TwoPods().run(scenario)


def test_a_factory_that_raises_resets_its_connection_and_the_next_is_served():
    made: list[asyncio.Protocol] = []

    def factory() -> asyncio.Protocol:
        made.append(asyncio.Protocol())
        if len(made) == 1:
            raise RuntimeError("not yet")
        return made[-1]

    async def scenario(pods: TwoPods) -> None:
        reported = []
        pods.loop.set_exception_handler(lambda _loop, context: reported.append(context))
        await pods.loop.create_server(factory, "0.0.0.0", 80)
        pods.use(pods.client)
        reader, writer = await asyncio.open_connection(SERVER, 80)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        assert str(reported[0]["exception"]) == "not yet"
        assert "transport creation" in reported[0]["message"]
        _, writer = await asyncio.open_connection(SERVER, 80)
        while len(made) < 2:
            await asyncio.sleep(0.001)
        writer.close()

    TwoPods().run(scenario)
