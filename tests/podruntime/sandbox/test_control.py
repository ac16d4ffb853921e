"""The pod's control socket, spoken to by the client that podruntime uses and by a stranger."""

from __future__ import annotations

import asyncio
import socket

import pytest

from componentbase.rpc import Client, RpcError
from componentbase.tasks import Tasks
from podruntime.sandbox.control import ControlSocket

pytestmark = pytest.mark.asyncio


async def _later(params):
    await asyncio.sleep(0)
    return params["n"] + 1


def _refuse(_params):
    raise RpcError("NotFound", "nothing here")


@pytest.fixture
def control(tmp_path):
    methods = {
        "now": lambda params: params["n"],
        "later": _later,
        "refuse": _refuse,
        "big": lambda params: "x" * params["n"],
    }

    async def start():
        made = ControlSocket(
            tmp_path / "control.sock", methods, asyncio.get_running_loop(), Tasks()
        )
        made.start()
        return made

    return start


async def test_calls_are_answered_at_once_later_or_with_an_error(control):
    serving = await control()
    client = await Client.connect(serving.path)
    assert await client.call("now", {"n": 1}) == 1
    assert await client.call("later", {"n": 1}) == 2
    assert len(await client.call("big", {"n": 3_000_000})) == 3_000_000
    for method, error in (("refuse", "NotFound"), ("nope", "Unimplemented"), ("now", "Internal")):
        with pytest.raises(RpcError, match=error):
            await client.call(method)
    await client.close()
    serving.close()
    assert not serving.path.exists()


async def test_every_peer_is_told(control):
    serving = await control()
    told = asyncio.Queue()
    clients = [
        await Client.connect(
            serving.path, on_tell=lambda _c, method, params: told.put_nowait((method, params))
        )
        for _ in range(2)
    ]
    for client in clients:
        await client.call("now", {"n": 0})
    serving.tell("event", {"a": 1})
    assert [await asyncio.wait_for(told.get(), 5) for _ in clients] == [("event", {"a": 1})] * 2
    serving.close()
    for client in clients:
        await asyncio.wait_for(client.closed.wait(), 5)
        await client.close()


#: What msgpack never writes; an unknown message; text; a map whose key is a list.
STRANGERS = [b"\xc1", b"\x93\x01\x02\x03", b"GET / HTTP/1.1\r\n", b"\x82\x91\x01\x02"]


@pytest.mark.parametrize("octets", STRANGERS)
async def test_a_stranger_is_cut_off_and_the_rest_lives_on(control, octets):
    serving = await control()
    client = await Client.connect(serving.path)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.setblocking(False)
        await loop.sock_connect(stranger, str(serving.path))
        await loop.sock_sendall(stranger, octets)
        async with asyncio.timeout(5):
            try:
                assert await loop.sock_recv(stranger, 1) == b""
            except ConnectionResetError:
                pass  # It was cut with octets unread.
    assert await client.call("now", {"n": 1}) == 1
    await client.close()
    serving.close()
