from __future__ import annotations

import asyncio
import socket

import pytest

from loadgen.plan import Arrival, LoadPlan, PlanError
from loadgen.results import ResultError
from loadgen.run import run_load

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nweb-1\n"
BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"


async def load(url, **change):
    plan = LoadPlan(**{"url": url, "rate": 100, "duration_s": 0.3, **change})
    async with asyncio.timeout(20):
        return await run_load(plan)


@pytest.mark.asyncio
async def test_every_request_of_the_plan_is_sent_and_answered(serving):
    async with serving() as server:
        report = await load(server.url)
    assert (report.sent, report.ok, report.failed, report.unfinished) == (30, 30, 0, 0)
    assert report.backends == {"web-1": 30}
    assert report.elapsed_s >= 0.3
    assert report.first_failure is None


@pytest.mark.asyncio
async def test_poisson_arrivals(serving):
    async with serving() as server:
        report = await load(server.url, arrival=Arrival.POISSON, seed=3)
    assert report.ok == report.sent == server.requests > 0


@pytest.mark.asyncio
async def test_errors_are_counted_by_kind(serving):
    async with serving(lambda number: BUSY if number % 3 == 0 else ANSWER) as server:
        report = await load(server.url)
    assert (report.ok, report.errors) == (20, {"http-5xx": 10})
    assert report.first_failure is not None
    assert report.first_failure.sent_at >= report.started_at


@pytest.mark.asyncio
async def test_nobody_listens():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        report = await load(f"http://127.0.0.1:{unused.getsockname()[1]}/", duration_s=0.1)
    assert report.errors == {"refused": 10}


@pytest.mark.asyncio
async def test_a_stall_delays_no_request_and_shows_in_the_latencies(serving):
    """One connection and a server that stalls once: what queued up counts from its own moment."""
    async with serving(lambda number: 0.25 if number == 5 else ANSWER) as server:
        report = await load(server.url, connections=1)
    assert report.ok == 30
    assert report.latency_s["max"] >= 0.24
    assert report.latency_s["p50"] >= 0.05


@pytest.mark.asyncio
async def test_what_is_not_answered_in_time_is_a_timeout(serving):
    async with serving(lambda _: 60.0) as server:
        report = await load(server.url, timeout_s=0.2, duration_s=0.1, connections=10)
    assert report.errors == {"timeout": 10}
    assert report.last_failure is not None
    assert report.last_failure.seen_at - report.started_at >= 0.28


@pytest.mark.asyncio
async def test_stop_ends_the_run_and_reports_so_far(serving):
    stop, seen = asyncio.Event(), []

    def watch(progress):
        seen.append(progress)
        stop.set()

    async with serving(lambda number: 60.0 if number == 1 else ANSWER) as server:
        plan = LoadPlan(url=server.url, rate=50, duration_s=600, timeout_s=300)
        async with asyncio.timeout(20):
            report = await run_load(plan, watch, stop=stop)
    assert 0 < report.sent < 1000
    assert report.unfinished >= 1
    assert report.ok + report.unfinished == report.sent
    assert seen[-1].sent == report.sent


@pytest.mark.asyncio
async def test_a_name_that_leads_nowhere_is_the_plans_fault(monkeypatch):
    async def nowhere(*_args, **_kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere)
    with pytest.raises(PlanError, match="nowhere: Name or service not known"):
        await load("http://nowhere/")


@pytest.mark.asyncio
async def test_what_a_protocol_has_no_words_for_is_the_plans_fault():
    with pytest.raises(PlanError, match="no type of DNS record"):
        await load("dns://127.0.0.1/web?type=HTTPS")


class Watcher:
    """A recorder that keeps what it is told."""

    def __init__(self):
        self.told, self.rows = [], {}

    def begin(self, plan, started_at):
        self.told.append("begin")

    def record(self, rows, sums, now):
        self.told.append("record")
        self.rows |= {row.at: row for row in rows}

    def end(self, report, sums):
        self.told.append("end")


@pytest.mark.asyncio
async def test_a_recorder_is_told_of_every_second(serving):
    recorder = Watcher()
    async with serving() as server:
        plan = LoadPlan(url=server.url, rate=20, duration_s=1.2)
        async with asyncio.timeout(20):
            report = await run_load(plan, recorder=recorder)
    # On a busy machine the last answer may come seconds later, and each has its record.
    assert (recorder.told[0], recorder.told[-1]) == ("begin", "end")
    assert set(recorder.told[1:-1]) == {"record"}
    assert len(recorder.told) >= 4
    assert [row.sent for row in recorder.rows.values()] == [20, 4]
    assert sum(row.ok for row in recorder.rows.values()) == report.ok == 24


@pytest.mark.asyncio
async def test_a_recorder_that_fails_ends_the_run(serving):
    class Full(Watcher):
        def record(self, rows, sums, now):
            raise ResultError("disk: No space left on device")

    async with serving() as server:
        plan = LoadPlan(url=server.url, rate=20, duration_s=600)
        async with asyncio.timeout(20):
            with pytest.raises(ResultError):
                await run_load(plan, recorder=Full())
