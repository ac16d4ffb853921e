"""A backend that stands still for N seconds, and the percentiles that arithmetic says.

Requests are due at a constant rate for D seconds; a backend frozen for N of them answers what was
due t seconds before the thaw after t seconds. So latencies above L have the share (N - L) / D of
all, and the q-th percentile is N - (1 - q) D, as long as that is above 0. A client with one
connection asks only once meanwhile: its uncorrected percentiles hide the freeze (Tene's
"coordinated omission").
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from componentbase import clock
from loadgen.plan import LoadPlan
from loadgen.run import run_load

SERVER = """
import asyncio

ANSWER = b"HTTP/1.1 200 OK\\r\\ncontent-length: 6\\r\\n\\r\\nweb-1\\n"

class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(ANSWER * data.count(b"\\r\\n\\r\\n"))

async def main():
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""

DURATION_S = 4.0
RATE = 200.0
#: What a busy machine may add to the arithmetic.
NEAR_S = 0.15
TRIES_MAX = 4


class Freezer:
    """Stops a process as the run passes 1 s, and lets it go on as it passes 2 s."""

    def __init__(self, pid):
        self._pid = pid
        self._frozen_at = self.frozen_s = 0.0

    def __call__(self, progress):
        if not self._frozen_at and progress.elapsed_s >= 1.0:
            os.kill(self._pid, signal.SIGSTOP)
            self._frozen_at = clock.monotonic()
        elif self._frozen_at and not self.frozen_s and progress.elapsed_s >= 2.0:
            os.kill(self._pid, signal.SIGCONT)
            self.frozen_s = clock.monotonic() - self._frozen_at


async def frozen_for_a_second():
    """Run the load at a server that is stopped meanwhile; give the report and for how long."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        freezer = Freezer(process.pid)
        plan = LoadPlan(
            url=f"http://127.0.0.1:{port}/", rate=RATE, duration_s=DURATION_S, connections=1
        )
        async with asyncio.timeout(30):
            report = await run_load(plan, freezer)
    finally:
        process.kill()
        await process.wait()
    return report, freezer.frozen_s


@pytest.mark.asyncio
async def test_a_frozen_backend_gives_the_percentiles_that_arithmetic_says():
    for _ in range(TRIES_MAX):
        report, frozen_s = await frozen_for_a_second()
        if report.valid:
            break  # Otherwise loadgen says itself that it measured a machine without a moment.
    assert frozen_s >= 0.9
    assert report.ok == report.sent == RATE * DURATION_S
    for name, share in (("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)):
        expected_s = frozen_s - (1 - share) * DURATION_S
        assert report.latency_s[name] == pytest.approx(expected_s, abs=NEAR_S), name
    assert report.uncorrected_s["max"] == pytest.approx(frozen_s, abs=NEAR_S)
    assert report.uncorrected_s["p99"] < NEAR_S
    assert report.uncorrected_s["p99"] < report.latency_s["p90"]
    # Each second's own percentiles show it where it was.
    during = [each for each in report.series if each.at - report.started_at in (1.0, 2.0)]
    assert max(each.max_s or 0.0 for each in during) == pytest.approx(frozen_s, abs=NEAR_S)
