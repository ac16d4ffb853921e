"""Our iperf3 against iperf3's own: each is client and server once. Traffic stays on loopback."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import struct
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from componentbase.tasks import Tasks
from podruntime.images.iperf3 import IMAGE
from podruntime.images.iperf3.protocol import COOKIE_OCTETS, State
from podruntime.images.iperf3.report import line, scaled

from .processes import process

BOUND_S = 30.0
THEIRS = shutil.which("iperf3")
needs_theirs = pytest.mark.skipif(THEIRS is None, reason="iperf3 is not installed")
OCTETS = 4 << 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def ours(*words: object) -> tuple[int, str, str]:
    made = process(["iperf3", *map(str, words)], programs=IMAGE.programs)
    async with asyncio.timeout(BOUND_S):
        status = await IMAGE.programs["iperf3"](made)
    return status, made.stdout.taken().decode(), made.stderr.taken().decode()


async def theirs(*words: object) -> tuple[int, str]:
    assert THEIRS
    running = await asyncio.create_subprocess_exec(
        THEIRS, *map(str, words),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(BOUND_S):
            out, _ = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    assert running.returncode is not None
    return running.returncode, out.decode()


async def listens(port: int) -> None:
    """Wait for somebody at *port*, without connecting: iperf3 would take it for a client."""
    wanted = f":{port:04X} "
    async with asyncio.timeout(BOUND_S):
        while True:
            for path in ("/proc/net/tcp", "/proc/net/tcp6"):
                with open(path) as table:
                    if any(wanted in row and " 0A " in row for row in table):
                        return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, Any]) -> AsyncIterator[asyncio.Task[Any]]:
    """Let a server run."""
    tasks = Tasks()
    try:
        yield tasks.spawn(work, name="server")
    finally:
        await tasks.close()


@needs_theirs
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "way", [(), ("-R",), ("-P", "3"), ("-P", "2", "-R")], ids=lambda way: " ".join(way) or "up"
)
async def test_their_client_measures_our_server(way):
    port = free_port()
    async with beside(ours("-s", "-1", "-p", port)) as serving:
        await listens(port)
        status, out = await theirs("-c", "127.0.0.1", "-p", port, "-n", OCTETS, "-J", *way)
        told = json.loads(out)
        assert (status, told.get("error")) == (0, None)
        end = told["end"]
        assert end["sum_sent"]["bytes"] >= OCTETS
        assert 0 < end["sum_received"]["bytes"] <= end["sum_sent"]["bytes"]
        assert (await serving)[0] == 0


@needs_theirs
@pytest.mark.asyncio
@pytest.mark.parametrize("way", [(), ("-R",), ("-P", "3")], ids=lambda way: " ".join(way) or "up")
async def test_our_client_measures_their_server(way):
    port = free_port()
    async with beside(theirs("-s", "-1", "-p", port, "-J")) as serving:
        await listens(port)
        status, out, said = await ours("-c", "127.0.0.1", "-p", port, "-n", OCTETS, *way)
        assert (status, said) == (0, "")
        assert out.endswith("\niperf Done.\n")
        assert "sender" in out
        _, told = await serving
        assert '"error"' not in told


@pytest.mark.asyncio
async def test_ours_measures_itself_for_a_time_and_serves_again():
    port = free_port()
    async with beside(ours("-s", "-p", port)):
        await listens(port)
        for _ in range(2):
            status, out, _ = await ours("-c", "127.0.0.1", "-p", port, "-t", 1, "-i", 0.4)
            assert status == 0
            assert out.count("-0.4") == out.count("0.00-0.4") == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "must either be a client (-c) or server (-s)"),
        ("-c 127.0.0.1 -u", "no UDP"),
        ("-c 127.0.0.1 -p 1", "unable to connect to server: Connection refused"),
        ("-c 127.0.0.1 -P 1000", "at most 128 streams"),
        ("-c 127.0.0.1 -t 0", "test duration"),
        ("-c 127.0.0.1 -n many", "invalid number 'many'"),
        ("-s -p 70000", "cannot be"),
    ],
)
async def test_wrong_words_are_refused(words, said):
    status, _, complaint = await ours(*words.split())
    assert (status, said in complaint) == (1, True), complaint


def frame(message: object) -> bytes:
    octets = json.dumps(message).encode()
    return struct.pack("!I", len(octets)) + octets


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n\r\n" * 3,
        b"c" * COOKIE_OCTETS + b"\xff\xff\xff\xff",
        b"c" * COOKIE_OCTETS + struct.pack("!I", 3) + b"no!",
        b"c" * COOKIE_OCTETS + frame([]),
        b"c" * COOKIE_OCTETS + frame({"udp": True}),
        b"c" * COOKIE_OCTETS + frame({"tcp": True, "parallel": 10**9}),
        b"c" * COOKIE_OCTETS + frame({"tcp": True, "len": "x", "parallel": 0}),
        b"c" * COOKIE_OCTETS,
    ],
)
async def test_a_bad_client_harms_nobody(octets):
    port = free_port()
    async with beside(ours("-s", "-p", port)):
        await listens(port)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(octets)
        writer.write_eof()
        await asyncio.sleep(0)
        async with asyncio.timeout(BOUND_S):
            while (await ours("-c", "127.0.0.1", "-p", port, "-n", 1))[0]:
                await asyncio.sleep(0.02)  # It is busy with the bad one.
        writer.close()


@pytest.mark.asyncio
async def test_who_comes_during_a_test_is_told_so():
    port = free_port()
    async with beside(ours("-s", "-p", port)):
        await listens(port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"c" * COOKIE_OCTETS)
        assert struct.unpack("!b", await reader.readexactly(1))[0] == State.PARAM_EXCHANGE
        status, _, said = await ours("-c", "127.0.0.1", "-p", port, "-n", 1)
        assert (status, "the server is busy running a test" in said) == (1, True)
        writer.close()


def test_numbers_are_written_as_iperf3_does():
    assert [scaled(n, 1000) for n in (0, 999, 1234, 12_345, 123_456)] == [
        "0.00 ", " 999 ", "1.23 K", "12.3 K", " 123 K",
    ]  # fmt: skip
    assert line("[  5]", 0, 1, 1 << 20) == ("[  5]   0.00-1.00  sec  1.00 MBytes  8.39 Mbits/sec")
