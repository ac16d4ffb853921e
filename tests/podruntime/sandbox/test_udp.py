"""create_datagram_endpoint: addresses, sockets, errors, and faults of protocols."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from .pods import CLIENT, SERVER, TwoPods


class Collect(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.datagrams: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()
        self.lost = asyncio.get_running_loop().create_future()

    def datagram_received(self, data, addr):
        self.datagrams.put_nowait((data, addr))

    def error_received(self, exc):
        self.errors.put_nowait(exc)

    def connection_lost(self, exc):
        self.lost.set_result(exc)


def test_local_remote_both_and_family_alone():
    async def scenario(pods: TwoPods) -> None:
        endpoint = pods.loop.create_datagram_endpoint
        _, served = await endpoint(Collect, local_addr=("0.0.0.0", 53))
        pods.use(pods.client)
        for number, given in enumerate(
            (
                {"remote_addr": (SERVER, 53)},
                {"remote_addr": ("web", "domain"), "local_addr": (CLIENT, 5353)},
                {"family": socket.AF_INET, "reuse_port": True, "allow_broadcast": True},
                {"local_addr": ("0.0.0.0", 0), "proto": socket.IPPROTO_UDP},
            )
        ):
            transport, _ = await endpoint(Collect, **given)
            if "remote_addr" in given:
                transport.sendto(b"%d" % number)
            else:
                transport.sendto(b"%d" % number, (SERVER, 53))
            data, sender = await served.datagrams.get()
            assert (data, sender[0]) == (b"%d" % number, CLIENT)
            assert sender[1] == transport.get_extra_info("sockname")[1]
            sock = transport.get_extra_info("socket")
            assert sock.getsockname() == transport.get_extra_info("sockname")
            assert sock.type == socket.SOCK_DGRAM
            transport.close()

    TwoPods().run(scenario)


@pytest.mark.usefixtures("boundary")
def test_a_socket_that_is_bound_becomes_an_endpoint():
    async def scenario(pods: TwoPods) -> None:
        endpoint = pods.loop.create_datagram_endpoint
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((SERVER, 53))
        _, served = await endpoint(Collect, sock=sock)
        with pytest.raises(ValueError, match=r"can not be used when sock.*\(family=2\)"):
            await endpoint(Collect, sock=sock, family=socket.AF_INET)
        del sock
        pods.use(pods.client)
        transport, _ = await endpoint(Collect, remote_addr=(SERVER, 53))
        transport.sendto(b"x")
        assert (await served.datagrams.get())[0] == b"x"
        with socket.socket() as stream, pytest.raises(ValueError, match="A UDP Socket was"):
            await endpoint(Collect, sock=stream)

    TwoPods().run(scenario)


def test_wrong_arguments_raise_what_asyncio_raises():
    async def scenario(pods: TwoPods) -> None:
        endpoint = pods.loop.create_datagram_endpoint
        with pytest.raises(ValueError, match="unexpected address family"):
            await endpoint(Collect)
        with pytest.raises(TypeError, match="2-tuple is expected"):
            await endpoint(Collect, local_addr="0.0.0.0:53")
        with pytest.raises(ValueError, match="can not get address information"):
            await endpoint(Collect, local_addr=("0.0.0.0", 1), remote_addr=("::1", 1))
        with pytest.raises(OSError, match="cannot assign") as caught:
            await endpoint(Collect, local_addr=(CLIENT, 53))
        assert caught.value.errno == errno.EADDRNOTAVAIL
        with pytest.raises(OverflowError):
            await endpoint(Collect, local_addr=("0.0.0.0", 65536))
        transport, _ = await endpoint(Collect, remote_addr=("127.0.0.1", 53))
        with pytest.raises(ValueError, match="Invalid address: must be None or"):
            transport.sendto(b"x", (SERVER, 53))
        with pytest.raises(TypeError, match="must be a bytes-like object, not 'str'"):
            transport.sendto("text")
        transport.close()
        transport.sendto(b"into the void")

    TwoPods().run(scenario)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("0.0.0.0:53", TypeError),
        (("web", 53), socket.gaierror),
        ((SERVER, "53"), TypeError),
        ((SERVER, 65536), OverflowError),
        (("::1", 53), socket.gaierror),
        (None, OSError),
    ],
)
def test_an_address_that_is_none_is_told_and_ends_nothing_else(address, kind):
    async def scenario(pods: TwoPods) -> None:
        reported = []
        pods.loop.set_exception_handler(lambda _loop, context: reported.append(context))
        transport, protocol = await pods.loop.create_datagram_endpoint(
            Collect, local_addr=("0.0.0.0", 0)
        )
        transport.sendto(b"x", address)
        if issubclass(kind, OSError):
            assert isinstance(await protocol.errors.get(), kind)
            transport.close()
        else:  # No address at all ends the transport, as in asyncio.
            assert isinstance(await protocol.lost, kind)
            assert reported[0]["message"] == "Fatal write error on datagram transport"

    TwoPods().run(scenario)


def test_too_long_a_datagram_is_an_error_and_broadcast_is_refused():
    async def scenario(pods: TwoPods) -> None:
        transport, protocol = await pods.loop.create_datagram_endpoint(
            Collect, local_addr=("0.0.0.0", 0)
        )
        for data, address, number in (
            (bytes(65_508), (SERVER, 9), errno.EMSGSIZE),
            (b"x", ("255.255.255.255", 9), errno.EACCES),
        ):
            transport.sendto(data, address)
            assert (await protocol.errors.get()).errno == number
        transport.abort()
        assert await protocol.lost is None

    TwoPods().run(scenario)


def test_a_protocol_that_raises_is_reported_and_loses_its_port():
    class Broken(Collect):
        def datagram_received(self, data, addr):
            raise RuntimeError("broken")

    async def scenario(pods: TwoPods) -> None:
        reported = []
        pods.loop.set_exception_handler(lambda _loop, context: reported.append(context))
        _, served = await pods.loop.create_datagram_endpoint(Broken, local_addr=(SERVER, 53))
        pods.use(pods.client)
        transport, asking = await pods.loop.create_datagram_endpoint(
            Collect, remote_addr=(SERVER, 53)
        )
        transport.sendto(b"x")
        assert isinstance(await served.lost, RuntimeError)
        assert "datagram_received" in reported[0]["message"]
        transport.sendto(b"x")
        assert isinstance(await asking.errors.get(), ConnectionRefusedError)
        transport.close()

    TwoPods().run(scenario)
