"""Sockets that code in a pod makes for itself, by the names of the socket module."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import struct
import threading

import pytest

from podruntime.images.process import Octets
from podruntime.sandbox.owner import CURRENT, Owner
from podruntime.sandbox.pod_socket import InternetSocket, PodUnixSocket

from .pods import CLIENT, SERVER, TwoPods

pytestmark = pytest.mark.usefixtures("boundary")


def _stream() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    return made


def _datagrams() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    return made


def test_internet_sockets_are_the_pods_and_others_the_kernels():
    with socket.socket() as stream, socket.socket(socket.AF_UNIX) as unix:
        assert type(stream) is InternetSocket
        assert type(unix) is PodUnixSocket
        assert isinstance(stream, socket.socket)
        assert isinstance(unix, socket.SocketType)
        with pytest.raises(OSError, match="ndpoint"):
            stream.getpeername()  # Without a pod's loop the kernel answers.
    one, other = socket.socketpair()
    with one, other:
        one.send(b"x")
        assert other.recv(1) == b"x"


def test_bind_listen_and_accept_by_the_loop():
    async def scenario(pods: TwoPods) -> None:
        listening = _stream()
        assert listening.getsockname() == ("0.0.0.0", 0)
        listening.bind(("", 0))
        port = listening.getsockname()[1]
        assert port
        with pytest.raises(OSError, match="Invalid argument"):
            listening.bind(("", 1))
        with _stream() as second, pytest.raises(OSError, match="in use") as caught:
            second.bind((SERVER, port))
        assert caught.value.errno == errno.EADDRINUSE
        listening.listen()
        pods.use(pods.client)
        calling = _stream()
        accepting = pods.loop.create_task(pods.loop.sock_accept(listening))
        await pods.loop.sock_connect(calling, ("web", port))
        accepted, peer = await accepting
        assert peer == calling.getsockname() == accepted.getpeername()
        assert calling.getpeername() == accepted.getsockname() == (SERVER, port)
        await pods.loop.sock_sendall(calling, b"question")
        assert await pods.loop.sock_recv(accepted, 100) == b"question"
        buffer = bytearray(4)
        await pods.loop.sock_sendall(accepted, b"answer")
        assert await pods.loop.sock_recv_into(calling, buffer) == 4
        assert bytes(buffer) + await pods.loop.sock_recv(calling, 9) == b"answer"
        accepted.shutdown(socket.SHUT_WR)
        assert await pods.loop.sock_recv(calling, 1) == b""
        for each in (accepted, calling, listening):
            each.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            calling.getsockname()

    TwoPods().run(scenario)


def test_both_directions_at_once_on_one_socket():
    """More than the buffers hold: a sender waits while a receiver of the same socket waits."""
    octets = 3 * 1024 * 1024

    async def scenario(pods: TwoPods) -> None:
        async def mirror(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()

        await asyncio.start_server(mirror, SERVER, 7)
        pods.use(pods.client)
        with _stream() as sock:
            await pods.loop.sock_connect(sock, (SERVER, 7))
            sending = pods.loop.create_task(pods.loop.sock_sendall(sock, bytes(octets)))
            received = 0
            while received < octets:
                received += len(await pods.loop.sock_recv(sock, 1 << 20))
            await sending

    TwoPods().run(scenario)


def test_a_listening_socket_is_served_and_ends_with_its_server():
    async def scenario(pods: TwoPods) -> None:
        sock = _stream()
        sock.bind((SERVER, 80))
        server = await pods.loop.create_server(asyncio.Protocol, sock=sock)
        assert server.sockets[0].getsockname() == sock.getsockname() == (SERVER, 80)
        del sock
        gc.collect()
        pods.use(pods.client)
        _, writer = await asyncio.open_connection(SERVER, 80)
        writer.close()
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(SERVER, 80)

    TwoPods().run(scenario)


def test_connected_and_accepted_sockets_become_transports():
    async def scenario(pods: TwoPods) -> None:
        with _stream() as listening:
            listening.bind((SERVER, 80))
            listening.listen(5)
            pods.use(pods.client)
            calling = _stream()
            calling.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            calling.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
            await pods.loop.sock_connect(calling, (SERVER, 80))
            (connection,) = pods.client_interface.host.tcp.connections()
            assert connection.keepalive is not None
            assert connection.keepalive[0] == 30
            accepted, _ = await pods.loop.sock_accept(listening)
        reader, writer = await asyncio.open_connection(sock=calling)
        assert calling.fileno() == -1, "a transport needs no descriptor"
        there, _ = await pods.loop.connect_accepted_socket(asyncio.Protocol, accepted)
        there.write(b"hello")
        there.close()
        assert await reader.read() == b"hello"
        writer.close()
        calling.close()
        accepted.close()

    TwoPods().run(scenario)


def test_close_is_fin_and_with_linger_rst():
    async def scenario(pods: TwoPods) -> None:
        readers: asyncio.Queue[asyncio.StreamReader] = asyncio.Queue()
        await asyncio.start_server(lambda r, w: readers.put_nowait((r, w)), SERVER, 80)
        pods.use(pods.client)
        for linger in (False, True):
            calling = _stream()
            if linger:
                calling.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await pods.loop.sock_connect(calling, (SERVER, 80))
            reader, writer = await readers.get()
            calling.close()
            if linger:
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            else:
                assert await reader.read() == b""
            writer.close()

    TwoPods().run(scenario)


def test_dup_keeps_a_socket_open():
    async def scenario(pods: TwoPods) -> None:
        one = _stream()
        one.bind((SERVER, 80))
        one.listen()
        with one.dup() as other:
            one.close()
            assert other.getsockname() == (SERVER, 80)
            pods.use(pods.client)
            _, writer = await asyncio.open_connection(SERVER, 80)
            writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(SERVER, 80)

    TwoPods().run(scenario)


def test_datagrams_of_sockets():
    async def scenario(pods: TwoPods) -> None:
        served = _datagrams()
        served.bind((SERVER, 53))
        pods.use(pods.client)
        with _datagrams() as asking, served:
            assert await pods.loop.sock_sendto(asking, b"question", (SERVER, 53)) == 8
            data, sender = await pods.loop.sock_recvfrom(served, 4)
            assert (data, sender[0]) == (b"ques", CLIENT), "the rest is lost"
            served.sendto(b"answer", sender)
            buffer = bytearray(100)
            assert (await pods.loop.sock_recvfrom_into(asking, buffer)) == (6, (SERVER, 53))
            asking.connect((SERVER, 99))
            assert asking.getpeername() == (SERVER, 99)
            asking.send(b"nobody is there")
            with pytest.raises(ConnectionRefusedError):
                await pods.loop.sock_recv(asking, 10)
            with pytest.raises(OSError, match="Message too long"):
                asking.sendto(bytes(70_000), (SERVER, 53))
            with pytest.raises(OSError, match="not supported"):
                asking.listen()

    TwoPods().run(scenario)


def test_what_would_block_or_leave_the_pod_is_refused():
    async def scenario(pods: TwoPods) -> None:
        with _stream() as sock:
            sock.bind((SERVER, 80))
            sock.listen()
            with pytest.raises(OSError, match=r"use loop.sock_accept"):
                sock.accept()
            with pytest.raises(OSError, match="Transport endpoint is not connected"):
                sock.getpeername()
            for watch in (pods.loop.add_reader, pods.loop.add_writer):
                for file in (sock, sock.fileno()):
                    with pytest.raises(OSError, match="a selector does not see"):
                        watch(file, print)
        with _stream() as sock:
            with pytest.raises(socket.gaierror, match=r"loop.getaddrinfo"):
                sock.bind(("web", 80))
            with pytest.raises(OSError, match="assign requested"):
                sock.bind((CLIENT, 80))
            with pytest.raises(OverflowError):
                sock.bind((SERVER, 65536))
            with pytest.raises(TypeError):
                sock.bind("web:80")
            with pytest.raises(OSError, match="not connected"):
                await pods.loop.sock_recv(sock, 1)
            with pytest.raises(OSError, match="not connected"):
                await pods.loop.sock_sendall(sock, b"x")
            with pytest.raises(OSError, match="not connected"):
                sock.shutdown(socket.SHUT_WR)
            pods.loop.set_debug(True)
            sock.setblocking(True)
            with pytest.raises(ValueError, match="must be non-blocking"):
                await pods.loop.sock_connect(sock, (SERVER, 80))

    TwoPods().run(scenario)


def test_a_closed_socket_wakes_who_waits_for_it():
    async def scenario(pods: TwoPods) -> None:
        listening = _stream()
        listening.bind((SERVER, 80))
        listening.listen()
        accepting = pods.loop.create_task(pods.loop.sock_accept(listening))
        await asyncio.sleep(0)
        listening.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            await accepting

    TwoPods().run(scenario)


def test_options_are_kept_applied_or_refused_as_linux_does():
    async def scenario(pods: TwoPods) -> None:
        await asyncio.start_server(lambda _r, _w: None, SERVER, 80)
        pods.use(pods.client)
        _, writer = await asyncio.open_connection(SERVER, 80)
        sock = writer.get_extra_info("socket")
        assert sock.fileno() == -1
        assert (sock.family, sock.type, sock.proto) == (socket.AF_INET, socket.SOCK_STREAM, 6)
        tcp, level = socket.IPPROTO_TCP, socket.SOL_SOCKET
        assert sock.getsockopt(tcp, socket.TCP_NODELAY) == 1
        sock.setsockopt(tcp, socket.TCP_NODELAY, False)
        assert sock.getsockopt(tcp, socket.TCP_NODELAY) == 0
        sock.setsockopt(level, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(tcp, socket.TCP_KEEPIDLE, 7)
        sock.setsockopt(tcp, socket.TCP_KEEPCNT, 3)
        (connection,) = pods.client_interface.host.tcp.connections()
        assert connection.keepalive == (7, 75.0, 3)
        sock.setsockopt(level, socket.SO_KEEPALIVE, 0)
        assert connection.keepalive is None
        sock.setsockopt(tcp, socket.TCP_USER_TIMEOUT, 2500)
        assert connection.user_timeout_s == 2.5
        assert sock.getsockopt(tcp, socket.TCP_USER_TIMEOUT) == 2500
        for wrong in (0, 40_000):
            with pytest.raises(OSError, match="Invalid argument"):
                sock.setsockopt(tcp, socket.TCP_KEEPIDLE, wrong)
        with pytest.raises(OSError, match="Protocol not available"):
            sock.setsockopt(tcp, 9999, 1)
        assert sock.getsockopt(tcp, socket.TCP_INFO, 200)[0] == 1  # TCP_ESTABLISHED.
        sock.setsockopt(level, socket.SO_RCVBUF, 4096)  # Taken, without effect.
        assert sock.getsockopt(level, socket.SO_RCVBUF) == 1024 * 1024
        assert sock.getsockopt(tcp, socket.TCP_MAXSEG) == connection.mss
        assert sock.getsockopt(level, socket.SO_ERROR) == 0
        assert sock.getsockopt(level, socket.SO_TYPE) == socket.SOCK_STREAM
        assert sock.gettimeout() == 0
        with pytest.raises(ValueError, match="only 0 timeout"):
            sock.settimeout(1)
        with pytest.raises(OSError, match="use the transport"):
            sock.dup()
        writer.close()

    TwoPods().run(scenario)


def test_in_a_thread_a_socket_is_the_kernels():
    found: list[tuple[str, int]] = []

    async def scenario(pods: TwoPods) -> None:
        def ask() -> None:
            with socket.socket() as made:
                found.append(made.getsockname())

        thread = threading.Thread(target=ask)
        thread.start()
        await pods.loop.run_in_executor(None, thread.join)

    TwoPods().run(scenario)
    assert found == [("0.0.0.0", 0)]


def test_the_end_of_a_container_closes_its_sockets():
    async def scenario(pods: TwoPods) -> None:
        ended = Owner({}, Octets(), Octets())
        me = CURRENT.set(ended)
        bound, listening, datagrams = _stream(), _stream(), _datagrams()
        bound.bind((SERVER, 80))
        listening.bind((SERVER, 81))
        listening.listen()
        datagrams.bind((SERVER, 82))
        CURRENT.reset(me)
        ended.release()
        for port in (80, 81):
            (await asyncio.start_server(lambda _r, _w: None, SERVER, port)).close()
        assert pods.server_interface.host.tcp.listeners() == []
        with _datagrams() as again:
            again.bind((SERVER, 82))
        for each in (bound, listening, datagrams):
            with pytest.raises(OSError, match="Bad file descriptor"):
                each.getsockname()
            each.close()

    TwoPods().run(scenario)


def test_unix_sockets_are_the_base_loops(tmp_path):
    async def scenario(pods: TwoPods) -> None:
        path = str(tmp_path / "socket")

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()

        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            server = await asyncio.start_server(echo, sock=listening)
            with socket.socket(socket.AF_UNIX) as calling:
                calling.setblocking(False)
                await pods.loop.sock_connect(calling, path)
                await pods.loop.sock_sendall(calling, b"hello\n")
                assert await pods.loop.sock_recv(calling, 100) == b"hello\n"
            server.close()
        one, other = socket.socketpair()
        with one, other:
            one.setblocking(False)
            readable = asyncio.Event()
            pods.loop.add_reader(one, readable.set)
            other.send(b"x")
            await readable.wait()
            assert await pods.loop.sock_recv_into(one, bytearray(5)) == 1
            pods.loop.remove_reader(one)

    TwoPods().run(scenario)
