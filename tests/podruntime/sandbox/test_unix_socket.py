"""Unix sockets in the files of containers: two containers that share a volume, one pod."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import contextmanager

import pytest
from aiohttp import ClientSession, UnixConnector, web

from podruntime.images.filesystem import FileSystem
from podruntime.images.process import Octets
from podruntime.sandbox.owner import CURRENT, Owner

from .pods import TwoPods

pytestmark = pytest.mark.usefixtures("boundary")


@pytest.fixture
def containers(tmp_path):
    """Two containers; the first has the volume at /shared, the other at /var/sockets."""
    volume = tmp_path / ("long-" * 30)
    volume.mkdir()
    owners = []
    for name, point in (("a", "/shared"), ("b", "/var/sockets")):
        owner = Owner({}, Octets(), Octets())
        owner.files = FileSystem(str(tmp_path / name), {})
        owner.files.mount(point, str(volume))
        owners.append(owner)
    return owners


@contextmanager
def running(owner):
    """Be the code of *owner*."""
    token = CURRENT.set(owner)
    yield
    CURRENT.reset(token)


def test_one_container_listens_and_the_other_connects(containers):
    a, b = containers

    async def echo(reader, writer):
        writer.write(await reader.readline())
        writer.close()

    async def scenario(_pods):
        with running(a):
            server = await asyncio.start_unix_server(echo, "/shared/app.sock")
            assert server.sockets[0].getsockname()
        with running(b):
            assert os.listdir("/var/sockets") == ["app.sock"]
            reader, writer = await asyncio.open_unix_connection("/var/sockets/app.sock")
            writer.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
            writer.close()
            await writer.wait_closed()
            with pytest.raises(FileNotFoundError):
                await asyncio.open_unix_connection("/shared/app.sock")
        a.release()  # The container has ended: its server listens no more.
        await asyncio.sleep(0)
        with running(b), pytest.raises((ConnectionRefusedError, FileNotFoundError)):
            await asyncio.open_unix_connection("/var/sockets/app.sock")
        with running(a):
            again = await asyncio.start_unix_server(echo, "/shared/app.sock")
            again.close()

    TwoPods().run(scenario)


def test_http_over_a_socket_in_a_volume(containers):
    a, b = containers

    async def hello(_request):
        return web.Response(text="by the volume")

    async def scenario(_pods):
        with running(a):
            app = web.Application()
            app.router.add_get("/", hello)
            runner = web.AppRunner(app)
            await runner.setup()
            await web.UnixSite(runner, "/shared/http.sock").start()
        with running(b):
            connector = UnixConnector("/var/sockets/http.sock")
            async with (
                ClientSession(connector=connector) as session,
                session.get("http://app/") as answer,
            ):
                assert await answer.text() == "by the volume"
        with running(a):
            await runner.cleanup()

    TwoPods().run(scenario)


def test_sockets_that_programs_make_for_themselves(containers):
    a, b = containers

    async def scenario(_pods):
        with running(a):
            one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            one.bind("/shared/one")
            assert one.getsockname() == "/shared/one"
            taken = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            with pytest.raises(OSError, match="in use") as caught:
                taken.bind("/shared/one")
            assert caught.value.errno == errno.EADDRINUSE
            taken.close()
        with running(b):
            other = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            assert other.sendto(b"datagram", "/var/sockets/one") == 8
            other.connect("/var/sockets/one")
            assert other.getpeername() == ""
            other.send(b"another")
            assert other.connect_ex("/var/sockets/absent") == errno.ENOENT
            other.close()
        assert [one.recv(100), one.recv(100)] == [b"datagram", b"another"]
        one.close()

    TwoPods().run(scenario)


def test_abstract_names_are_the_pods_own(containers):
    a, b = containers

    async def scenario(_pods):
        with running(a):
            server = await asyncio.start_unix_server(lambda _r, w: w.close(), "\0service")
        with running(b):
            reader, writer = await asyncio.open_unix_connection("\0service")
            assert await reader.read() == b""
            writer.close()
        machines = socket.socket(socket.AF_UNIX)
        with pytest.raises(ConnectionRefusedError):
            machines.connect("\0service")
        machines.close()
        server.close()

    TwoPods().run(scenario)
