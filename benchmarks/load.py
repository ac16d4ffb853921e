"""How much loadgen itself can do: 5,000 requests a second against a server that does nothing.

Shares and ratios, for machines differ: of requests that left late, of what was asked for, and of
the processor time that loadgen takes beside the server's (which writes the same octets to whoever
asks).
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.row import Row
from componentbase.process import new_event_loop

_ROOT: Final = Path(__file__).resolve().parents[1]
_ADDRESS: Final = "127.0.0.96"
_RATE: Final = 5000
_DURATION: Final = "10s"
_LATE_SHARE_MAX: Final = 0.01
_ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nweb-1\n"


def run() -> Iterator[Row]:
    """Measure and yield the rows."""
    command = [sys.executable, "-m", "benchmarks.load"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            report, own_s = _load(f"http://{_ADDRESS}:{port}/")
            times = psutil.Process(server.pid).cpu_times()
            served_s = times.user + times.system
        finally:
            server.terminate()
    late = report["late"] / report["sent"]
    yield Row(
        f"requests that left over 10 ms late, of {_RATE:,}/s open loop on kept connections",
        f"{100 * late:.2f} %",
        "< 1 %",
        late < _LATE_SHARE_MAX,
        f"p99 {1e3 * report['latency_s']['p99']:.1f} ms corrected, "
        f"{1e3 * report['uncorrected_s']['p99']:.1f} ms uncorrected",
    )
    yield Row(
        "answered, of what was asked for",
        f"{report['ok'] / report['sent']:.4f}",
        note=f"{report['throughput']:,.0f}/s",
    )
    yield Row(
        "processor time of loadgen, of that of the server it asks",
        f"{own_s / served_s:.1f}",
        note=f"{1e6 * own_s / report['sent']:.0f} µs a request",
    )


def _load(url: str) -> tuple[dict[str, Any], float]:
    """Return the report, and the processor seconds that it took."""
    command = [
        sys.executable, "-m", "loadgen", "run", url, "--rate", str(_RATE), "--duration", _DURATION,
        "-o", "json", "--no-progress", "--cluster", "none",
    ]  # fmt: skip
    before = os.times()
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    after = os.times()
    report: dict[str, Any] = json.loads(done.stdout)
    spent_s = (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
    return report, spent_s


class _Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, _data: bytes) -> None:
        self._transport.write(_ANSWER)  # type: ignore[attr-defined]


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Server, _ADDRESS, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve())
