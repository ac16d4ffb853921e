"""The fabric between hosts: what a relay costs a connection, and what a wire of ours carries.

A target process echoes or swallows; it is dialled directly and through a fabric process, in turns,
and the median of the ratios counts. The last row puts a fault on the link that changes nothing but
the way: every octet then goes through two TCP/IP stacks of ours.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.row import Row
from componentbase import rpc

_NEAR: Final = "127.79.3"
_FAR: Final = "127.79.4"
_PORT: Final = 6443
_PAIRS: Final = 5
_SECONDS: Final = 0.8
_ROUND_TRIPS: Final = 3000
_PIECE: Final = 1 << 16
_REQUEST_OCTETS: Final = 200

_Address = tuple[str, int]


def run() -> Iterator[Row]:
    """Measure and yield the rows."""
    direct, relayed = (f"{_NEAR}.251", _PORT), (f"{_FAR}.251", _PORT)
    with tempfile.TemporaryDirectory() as folder, _target(direct), _fabric(Path(folder)):
        shares, added, rates = [], [], []
        for _ in range(_PAIRS):
            reference, ours = _gbit_s(direct), _gbit_s(relayed)
            shares.append(ours / reference)
            rates.append(ours)
            added.append(_round_trip_us(relayed) - _round_trip_us(direct))
        asyncio.run(_impair(Path(folder)))
        wire_gbit_s = statistics.median(_gbit_s(relayed) for _ in range(_PAIRS))
    share = statistics.median(shares)
    yield Row(
        "TCP goodput through the fabric, of that of a direct connection",
        f"{share:.2f}",
        note=f"{statistics.median(rates):.1f} Gbit/s",
    )
    yield Row(
        f"round trip of {_REQUEST_OCTETS} octets that the fabric adds (p50)",
        f"{statistics.median(added):.0f} µs",
    )
    yield Row(
        "TCP goodput over a link with a fault, on stacks of ours", f"{wire_gbit_s:.2f} Gbit/s"
    )


@contextmanager
def _target(address: _Address) -> Iterator[None]:
    """Let a child echo to whoever begins with `e` and swallow what others send."""
    with socket.create_server(address) as listening:
        child = os.fork()
        if not child:
            _serve(listening)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _serve(listening: socket.socket) -> None:
    buffer = bytearray(1 << 20)
    while True:
        connection, _ = listening.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            echoes, octets = connection.recv(1) == b"e", 0
            while received := connection.recv_into(buffer):
                octets += received
                if echoes:
                    connection.sendall(memoryview(buffer)[:received])
            connection.sendall(octets.to_bytes(8, "big"))


@contextmanager
def _fabric(folder: Path) -> Iterator[None]:
    door = {"listen": (f"{_FAR}.251", _PORT), "target": (f"{_NEAR}.251", _PORT)}
    config = {
        "control_socket": str(folder / "fabric.sock"),
        "hosts": {f"{_NEAR}.1": "node-1"},
        "doors": [door | {"host": "control-plane-1"}],
    }
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    with subprocess.Popen([sys.executable, "-m", "podwire.fabric", str(path)]) as process:
        try:
            asyncio.run(_up(folder))
            yield
        finally:
            process.terminate()


async def _up(folder: Path) -> None:
    control = await rpc.connect_retrying(folder / "fabric.sock")
    await control.close()


async def _impair(folder: Path) -> None:
    """Let both directions lose nothing, a wire's way."""
    control = await rpc.connect_retrying(folder / "fabric.sock")
    ways = (("node-1", "control-plane-1"), ("control-plane-1", "node-1"))
    entries = [{"from": one, "to": other, "limit": 100_000} for one, other in ways]
    await control.call("impairments_replace", {"entries": entries})
    await control.close()


def _dial(address: _Address, what: bytes) -> socket.socket:
    dialled = socket.create_connection(address, source_address=(f"{_NEAR}.1", 0))
    dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    dialled.sendall(what)
    return dialled


def _gbit_s(address: _Address) -> float:
    """Return how much arrives in a second."""
    octets, piece = 0, bytes(_PIECE)
    with _dial(address, b"s") as dialled:
        began = time.perf_counter()
        while time.perf_counter() - began < _SECONDS:
            dialled.sendall(piece)
            octets += _PIECE
        dialled.shutdown(socket.SHUT_WR)
        arrived = int.from_bytes(dialled.recv(8), "big")
        seconds = time.perf_counter() - began
    assert arrived == octets
    return 8 * octets / seconds / 1e9


def _round_trip_us(address: _Address) -> float:
    """Return the median time of a small request and its echo."""
    times = []
    with _dial(address, b"e") as dialled:
        for _ in range(_ROUND_TRIPS):
            began = time.perf_counter()
            dialled.sendall(bytes(_REQUEST_OCTETS))
            dialled.recv(_REQUEST_OCTETS)
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6
