from __future__ import annotations

import msgspec
from stored_runs import STARTED_AT, plan, run, second

from loadgen.pods.log import WorkerLog
from loadgen.results import Event


def lines(*values) -> bytes:
    return b"".join(msgspec.json.encode(value) + b"\n" for value in values)


def test_a_log_that_is_fetched_in_overlapping_pieces_is_put_together():
    seconds = [second(n, [1000 + n]) for n in range(4)]
    report = run(seconds).report
    log = WorkerLog()
    log.feed(lines(plan(), *seconds[:2]))
    assert log.take_new() == seconds[:2]
    log.feed(lines(*seconds[1:3])[5:])  # Cut at its beginning.
    log.feed(lines(*seconds[1:], report))
    assert log.take_new() == seconds[2:]
    result = log.result()
    assert result is not None
    assert (result.plan, result.seconds, result.report) == (plan(), seconds, report)


def test_of_two_lines_for_one_second_the_later_one_counts():
    log = WorkerLog()
    log.feed(lines(plan(), second(0, [1000]), second(0, [1000, 2000])))
    log.feed(lines(Event(at=STARTED_AT, what="first-failure", subject="x")) * 2)
    result = log.result()
    assert result is not None
    assert [each.sent for each in result.seconds] == [2]
    assert len(result.events) == 1


def test_what_is_no_line_of_a_result_is_a_complaint():
    log = WorkerLog()
    log.feed(b"Traceback (most recent call last):\n  File x\nOSError: no\xff route\n{broken\n\n")
    assert log.complaint == "OSError: no\ufffd route"
    assert log.result() is None
    log.feed(b"y" * 10_000)
    assert len(log.complaint) == 200
