"""Calls over a Unix socket: answers, errors, telling, and what happens when a peer goes."""

from __future__ import annotations

import asyncio
import socket

import msgpack
import pytest
import pytest_asyncio

from componentbase import rpc
from componentbase.unix import socket_path

pytestmark = pytest.mark.asyncio


async def add(_connection, params):
    return params["a"] + params["b"]


async def refuse(_connection, _params):
    raise rpc.RpcError("NotFound", "no such thing")


async def sleep(_connection, _params):
    await asyncio.Event().wait()


HANDLERS = {"add": add, "refuse": refuse, "sleep": sleep}


@pytest_asyncio.fixture
async def server(tmp_path):
    # Longer than a sockaddr_un: the path must not matter.
    folder = tmp_path / ("d" * 60) / ("e" * 60)
    folder.mkdir(parents=True)
    server = rpc.Server(folder / "s.sock", HANDLERS)
    await server.start()
    yield server
    await server.close()


async def connect(server) -> rpc.Client:
    return await rpc.Client.connect(server._path)


async def test_a_call_is_answered_and_calls_may_overlap(server) -> None:
    client = await connect(server)
    sums = await asyncio.gather(*(client.call("add", {"a": n, "b": 1}) for n in range(50)))
    assert sums == list(range(1, 51))
    await client.close()


async def test_errors_arrive_with_their_code(server) -> None:
    client = await connect(server)
    with pytest.raises(rpc.RpcError, match="no such thing") as caught:
        await client.call("refuse")
    assert caught.value.code == "NotFound"
    with pytest.raises(rpc.RpcError, match="no method nonsense"):
        await client.call("nonsense")
    with pytest.raises(rpc.RpcError, match="KeyError"):
        await client.call("add", {"a": 1})
    assert await client.call("add", {"a": 1, "b": 2}) == 3
    await client.close()


async def test_a_call_without_answer_times_out(server) -> None:
    client = await connect(server)
    with pytest.raises(rpc.RpcError, match="DeadlineExceeded"):
        await client.call("sleep", timeout_s=0.01)
    await client.close()


async def test_waiting_calls_fail_when_the_server_goes(server) -> None:
    client = await connect(server)
    waiting = asyncio.ensure_future(client.call("sleep"))  # noqa: TID251 - Raced on purpose.
    await client.call("add", {"a": 1, "b": 1})
    await server.close()
    with pytest.raises(rpc.RpcError, match="Disconnected"):
        await waiting
    with pytest.raises(rpc.RpcError, match="Disconnected"):
        await client.call("add", {"a": 1, "b": 1})
    await client.close()


async def test_the_server_tells_its_clients(server) -> None:
    told = asyncio.get_running_loop().create_future()
    client = await rpc.Client.connect(
        server._path, on_tell=lambda _c, method, params: told.set_result((method, params))
    )
    await client.call("add", {"a": 1, "b": 1})
    for connection in server.connections:
        connection.tell("news", {"n": 1})
    assert await asyncio.wait_for(told, 5) == ("news", {"n": 1})
    await client.close()


@pytest.mark.parametrize(
    "octets",
    [
        b"\xc1",
        msgpack.packb([7, 1]),
        msgpack.packb("hello"),
        msgpack.packb([1, 1, 5, None]),  # An error that is none.
        b"\x81\x90\x01",  # A map with a list as its key.
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_a_stranger_is_cut_off_and_others_go_on(server, octets: bytes) -> None:
    client = await connect(server)
    with socket.socket(socket.AF_UNIX) as stranger, socket_path(server._path) as address:
        stranger.setblocking(False)
        await asyncio.get_running_loop().sock_connect(stranger, address)
        stranger.send(octets)
        assert await asyncio.get_running_loop().sock_recv(stranger, 100) == b""
    assert await client.call("add", {"a": 1, "b": 2}) == 3
    await client.close()


async def test_connecting_waits_for_the_server_to_come_up(tmp_path) -> None:
    path = tmp_path / "late.sock"
    connecting = asyncio.ensure_future(rpc.connect_retrying(path))  # noqa: TID251 - Raced on purpose.
    server = rpc.Server(path, HANDLERS)
    await server.start()
    client = await connecting
    assert await client.call("add", {"a": 2, "b": 2}) == 4
    await client.close()
    await server.close()
    assert not path.exists()


async def test_connecting_gives_up_with_a_clear_error(tmp_path) -> None:
    with pytest.raises(rpc.RpcError, match="nobody listens"):
        await rpc.connect_retrying(tmp_path / "never.sock", timeout_s=0.05)


async def test_a_dead_servers_socket_file_is_replaced(tmp_path) -> None:
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = rpc.Server(path, HANDLERS)
    await server.start()
    assert path.stat().st_mode & 0o777 == 0o600
    await server.close()
