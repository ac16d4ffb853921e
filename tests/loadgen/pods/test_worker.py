"""The worker as its pod runs it: an argument, an environment, and what it prints."""

from __future__ import annotations

import msgspec
import pytest
from stored_runs import plan, second

from componentbase.clock import wall
from loadgen.plan import LoadPlan
from loadgen.pods.log import WorkerLog
from loadgen.pods.orders import EXIT_LATE, Order
from loadgen.pods.worker import LINE_OCTETS_MAX, LogRecorder, main
from loadgen.report import Accumulator
from loadgen.seconds import OTHERS


def order(url: str, start_at: float) -> list[str]:
    load = LoadPlan(url=url, rate=50.0, duration_s=0.2)
    return [msgspec.json.encode(Order(worker=1, start_at=start_at, plan=load)).decode()]


@pytest.mark.asyncio
async def test_a_worker_begins_at_its_moment_and_prints_a_result(serving, capsys):
    async with serving() as server:
        start_at = wall() + 0.2
        assert await main(order(server.url, start_at), {"HOSTNAME": "loadgen-1"}) == 0
    log = WorkerLog()
    log.feed(capsys.readouterr().out.encode())
    result = log.result()
    assert result is not None
    assert result.report is not None
    assert (result.plan.host, result.report.sent, result.report.ok) == ("loadgen-1", 10, 10)
    assert result.plan.started_at >= start_at
    assert sum(each.sent for each in result.seconds) == 10
    assert result.report.series == []


@pytest.mark.asyncio
async def test_a_worker_that_comes_up_after_the_others_does_not_begin(serving, capsys):
    async with serving() as server:
        assert await main(order(server.url, wall() - 2), {}) == EXIT_LATE
        assert server.requests == 0
    assert "after the others began" in capsys.readouterr().out


@pytest.mark.asyncio
@pytest.mark.parametrize("arguments", [[], ["{}"], ["nonsense"]])
async def test_a_worker_without_an_order_says_so(arguments, capsys):
    assert await main(arguments, {}) == 2
    assert "no order" in capsys.readouterr().out


@pytest.mark.asyncio
async def test_a_host_that_leads_nowhere_is_told(capsys):
    assert await main(order("http://nowhere.invalid/", wall()), {}) == 2
    assert "nowhere.invalid" in capsys.readouterr().out


def test_lines_stay_short_whatever_the_backends_are_called(capsys):
    recorder = LogRecorder("here")
    names = {f"{number:0250d}": 1 for number in range(256)}
    load = LoadPlan(url="http://web/", rate=1.0, duration_s=1.0)
    recorder.begin(load, plan().started_at)
    rows = [second(0, [1000], backends=names)]
    recorder.record(rows, Accumulator(load, plan().started_at), 1.0)
    line = capsys.readouterr().out.splitlines()[-1]
    assert len(line) < LINE_OCTETS_MAX
    assert msgspec.json.decode(line)["backends"] == {OTHERS: 256}
