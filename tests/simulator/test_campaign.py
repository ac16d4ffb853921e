"""Failing runs: told by their seed, cut down, repeated by the printed command."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from simulator import campaign
from simulator.__main__ import _table, _Tally, cli
from simulator.campaign import Job, attempt, run_all, shrink
from simulator.simulation import Outcome


def test_a_defect_that_raises_is_a_failed_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **_options: object) -> None:
        raise KeyError("pod-9")

    monkeypatch.setattr("simulator.link.Link.offer", broken)
    assert "KeyError" in attempt(Job("wire", 1)).violations[0]


def test_shrinking_keeps_the_events_that_matter() -> None:
    def fails_with_2_and_5(job: Job) -> Outcome:
        events = job.only or ()
        return Outcome(violations=["broken"] if {2, 5} <= set(events) else [])

    job = Job("everything", 1)
    assert len(job.plan.events) > 6
    smallest = shrink(job, fails_with_2_and_5)
    assert smallest.only == (2, 5)
    assert smallest.command == "python -m simulator replay everything --seed 1 --only 2,5"
    assert [*smallest.plan.events] == [job.plan.events[2], job.plan.events[5]]


def test_processes_run_every_job_once() -> None:
    jobs = [Job("wire", seed) for seed in range(20)]
    done = [job for job, _ in run_all(jobs, processes=2)]
    assert sorted(done, key=lambda job: job.seed) == jobs


def test_a_failing_seed_is_printed_with_what_repeats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(job: Job, **_: object) -> Outcome:
        return Outcome(violations=["1.0 s: broken"] if job.seed == 2 else [])

    monkeypatch.setattr(campaign, "attempt", fails)
    monkeypatch.setattr(campaign, "shrink", lambda job: job)
    arguments = ["run", "--seeds", "3", "--scenario", "wire", "--jobs", "1"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 1
    assert "python -m simulator replay wire --seed 2" in result.output


def test_good_seeds_exit_with_0() -> None:
    arguments = ["run", "--seeds", "2", "--scenario", "wire", "--jobs", "1"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert "2 runs" in result.output


def test_the_table_can_be_read_in_80_columns() -> None:
    """Even after a long campaign nothing is cut."""
    tally = _Tally(runs=10_000, failed=10_000, conversations=60_000, succeeded=59_000)
    tally.packets = 98_765_432
    tally.drops = Counter({"underlay-unknown-sender": 123_456, "ndp_unheeded": 12})
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(_table({"everything": tally}))
    head, first, second = console.export_text().splitlines()
    assert head.startswith("scenario     runs  failed  talks   good  packets  most frequent drops")
    assert first.split()[:6] == ["everything", "10000", "10000", "60000", "59000", "98765"]
    assert first.endswith("k  underlay-unknown-sender 123456")
    assert second.split() == ["ndp_unheeded", "12"]


def test_replay_writes_a_capture_that_wireshark_can_read(tmp_path: Path) -> None:
    file = tmp_path / "overlay.pcapng"
    arguments = ["replay", "overlay", "--seed", "3", "--only", "0", "--pcap", str(file)]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    octets = file.read_bytes()
    assert octets.startswith(b"\x0a\x0d\x0d\x0a")
    assert "node-1 → node-2".encode() in octets


@pytest.mark.parametrize("only", ["99", "a,b"])
def test_replay_refuses_events_that_are_none(only: str) -> None:
    result = CliRunner().invoke(cli, ["replay", "wire", "--seed", "1", "--only", only])
    assert result.exit_code == 2
    assert "--only" in result.output
