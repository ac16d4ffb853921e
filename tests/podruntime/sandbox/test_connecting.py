"""create_connection: several addresses, local ones, cancellation, and what it raises."""

from __future__ import annotations

import asyncio
import errno
import gc
import itertools
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podruntime.sandbox.connecting import interleaved

from .pods import CLIENT, SERVER, TwoPods

HOSTS = "10.244.1.99 twice\n10.244.1.2 twice\n"


async def _listen(port: int = 80) -> asyncio.Server:
    return await asyncio.start_server(lambda _reader, writer: writer.close(), SERVER, port)


def test_addresses_are_tried_in_turn():
    async def scenario(pods: TwoPods) -> None:
        pods.files["/etc/hosts"] = f"{CLIENT} twice\n{SERVER} twice\n"  # The first one refuses.
        await _listen()
        pods.use(pods.client)
        _, writer = await asyncio.open_connection("twice", 80)
        assert writer.get_extra_info("peername") == (SERVER, 80)
        writer.close()

    TwoPods().run(scenario)


def test_happy_eyeballs_do_not_wait_for_an_address_that_is_silent():
    async def scenario(pods: TwoPods) -> None:
        pods.files["/etc/hosts"] = HOSTS
        await _listen()
        pods.use(pods.client)
        began = time.monotonic()
        _, writer = await asyncio.open_connection("twice", 80, happy_eyeballs_delay=0.05)
        assert time.monotonic() - began < 0.9, "ARP gives up after three seconds"
        assert writer.get_extra_info("peername") == (SERVER, 80)
        writer.close()
        await asyncio.sleep(0.01)
        states = [each.remote for each in pods.client_interface.host.tcp.connections()]
        assert all(str(address) == SERVER for address, _ in states), "the loser was given up"

    TwoPods().run(scenario)


def test_all_failures_are_told_as_asyncio_tells_them():
    async def scenario(pods: TwoPods) -> None:
        pods.files["/etc/hosts"] = "10.244.1.2 both\n10.244.1.3 both\n"
        pods.use(pods.client)
        with pytest.raises(OSError, match=r"^Multiple exceptions: \[Errno 111\] Connect call"):
            await asyncio.open_connection("both", 80)
        with pytest.raises(ExceptionGroup, match="create_connection failed") as caught:
            await pods.loop.create_connection(asyncio.Protocol, "both", 80, all_errors=True)
        assert [type(each) for each in caught.value.exceptions] == [ConnectionRefusedError] * 2
        with pytest.raises(socket.gaierror, match="Temporary failure in name resolution"):
            await asyncio.open_connection("no-such-host", 80)

    TwoPods().run(scenario)


def test_a_local_address_is_bound_to():
    async def scenario(pods: TwoPods) -> None:
        await _listen()
        pods.use(pods.client)
        _, writer = await asyncio.open_connection(SERVER, 80, local_addr=(CLIENT, 4000))
        assert writer.get_extra_info("sockname") == (CLIENT, 4000)
        writer.close()
        with pytest.raises(OSError, match=r"while attempting to bind on address \('10.244.1.9'"):
            await asyncio.open_connection(SERVER, 80, local_addr=("10.244.1.9", 0))

    TwoPods().run(scenario)


def test_cancelled_in_the_middle_it_leaves_nothing():
    async def scenario(pods: TwoPods) -> None:
        await _listen()
        pods.use(pods.client)
        pods.dropping = True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asyncio.open_connection(SERVER, 80)
        sock = socket.socket()
        sock.setblocking(False)
        with sock, pytest.raises(TimeoutError):
            await asyncio.wait_for(pods.loop.sock_connect(sock, (SERVER, 80)), 0.05)
        del sock
        gc.collect()
        assert pods.client_interface.host.tcp.connections() == []

    TwoPods().run(scenario)


def test_wrong_arguments_raise_what_asyncio_raises():
    async def scenario(pods: TwoPods) -> None:
        connect = pods.loop.create_connection
        for message, wrong in (
            ("host and port was not specified and no sock specified", {}),
            ("server_hostname is only meaningful with ssl", {"server_hostname": "x"}),
            ("You must set server_hostname when using ssl without a host", {"ssl": True}),
            ("ssl_handshake_timeout is only meaningful", {"host": "x", "ssl_handshake_timeout": 1}),
            ("ssl_shutdown_timeout is only meaningful", {"host": "x", "ssl_shutdown_timeout": 1}),
        ):
            with pytest.raises(ValueError, match=message):
                await connect(asyncio.Protocol, **wrong)
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            with pytest.raises(ValueError, match="host/port and sock can not be specified"):
                await connect(asyncio.Protocol, "10.0.0.1", 80, sock=stream)
            with pytest.raises(ValueError, match="A Stream Socket was expected"):
                await connect(asyncio.Protocol, sock=datagrams)
            with pytest.raises(OSError, match="not connected") as caught:
                await connect(asyncio.Protocol, sock=stream)
            assert caught.value.errno == errno.ENOTCONN
        with pytest.raises(OverflowError):
            await connect(asyncio.Protocol, SERVER, 70000)
        with pytest.raises(OSError, match="Network is unreachable") as caught:
            await connect(asyncio.Protocol, "2001:db8::1", 80)
        assert caught.value.errno == errno.ENETUNREACH

    TwoPods().run(scenario)


@given(st.lists(st.sampled_from([socket.AF_INET, socket.AF_INET6]), min_size=1), st.integers(1, 3))
def test_interleaving_keeps_all_and_takes_families_in_turn(families, first):
    infos = [(family, 1, 6, "", (str(at), 80)) for at, family in enumerate(families)]
    mixed = interleaved(infos, first)
    assert sorted(mixed) == sorted(infos)
    assert mixed[0] == infos[0]
    for family in set(families):
        ours = [info for info in mixed if info[0] == family]
        assert ours == [info for info in infos if info[0] == family], "the order of each stays"
    rest = [info[0] for info in mixed[first - 1 :]]
    alternating = 2 * min(rest.count(socket.AF_INET), rest.count(socket.AF_INET6))
    assert all(one != other for one, other in itertools.pairwise(rest[:alternating]))
