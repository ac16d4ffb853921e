"""Why a cluster does not come up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from podwire.cli import diagnosis
from podwire.cluster.layout import Layout, UsageError


@pytest.fixture
def paths(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    made.log("x").parent.mkdir()
    return made


def has(monkeypatch: pytest.MonkeyPatch, *rows: tuple[str, int]) -> None:
    found = [{"name": name, "restarts": restarts} for name, restarts in rows]

    def call(*_: object, **__: object) -> dict[str, Any]:
        return {"processes": found}

    monkeypatch.setattr(diagnosis, "call", call)


def test_who_dies_again_and_again_is_quoted(paths: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, ("apiserver", 0), ("node-1/datapath", 7))
    paths.log("node-1.datapath").write_text("first\nthe last word\n")
    said = diagnosis.why_not_up(paths)
    assert said == " (node-1/datapath cannot start: the last word)"


def test_of_a_panic_its_first_line_is_quoted(
    paths: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    has(monkeypatch, ("etcd", 7))
    paths.log("etcd").write_text("panic: invalid database\n\ngoroutine 1:\n\tbackend.go:73\n")
    assert diagnosis.why_not_up(paths) == " (etcd cannot start: panic: invalid database)"


@pytest.mark.parametrize(("restarts", "hopeless"), [(2, False), (8, True)])
def test_what_ends_again_and_again_is_hopeless(
    restarts: int, hopeless: bool, paths: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def call(*_: object, **__: object) -> dict[str, Any]:
        return {"processes": [{"name": "etcd", "restarts": restarts}]}

    monkeypatch.setattr(diagnosis, "call_async", call)
    assert asyncio.run(diagnosis.is_hopeless(paths)) == hopeless


def test_a_launcher_without_an_answer_is_no_reason_to_give_up(paths: Layout) -> None:
    assert not asyncio.run(diagnosis.is_hopeless(paths))


def test_else_the_first_complaint_is_quoted(paths: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, ("fabric", 0), ("apiserver", 1))
    paths.log("fabric").write_text("2026-01-01T00:00:00 I fabric x: started\n")
    paths.log("apiserver").write_text("t W apiserver x: waiting for the store\nt I y z\n")
    assert diagnosis.why_not_up(paths) == " (apiserver: t W apiserver x: waiting for the store)"


def test_silence_is_no_reason(paths: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, ("fabric", 0), ("dead", 9))
    assert diagnosis.why_not_up(paths) == " (dead cannot start)"
    has(monkeypatch, ("fabric", 0))
    assert diagnosis.why_not_up(paths) == ""

    def gone(*_: object, **__: object) -> None:
        raise UsageError("the launcher is gone")

    monkeypatch.setattr(diagnosis, "call", gone)
    assert diagnosis.why_not_up(paths) == ""
