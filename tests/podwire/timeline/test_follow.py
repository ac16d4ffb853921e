"""Reading journals while they grow: nothing twice, nothing lost, new files found."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from story import note

from componentbase import clock, journal
from componentbase.journal import Journal
from podwire.timeline.follow import Folder


def subjects(notes: list[journal.Note]) -> list[str]:
    return [one.subject for one in notes]


def test_each_look_returns_what_is_new_also_of_new_files(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.read_all() == []
    assert not folder.holds_journals()
    one = Journal(tmp_path / "one.jsonl", "one")
    one.note("killed", "a")
    assert subjects(folder.read_all()) == ["a"]
    Journal(tmp_path / "two.jsonl", "two").note("killed", "b")
    one.note("killed", "c")
    assert subjects(folder.read_all()) == ["b", "c"]
    assert folder.read_all() == []
    assert folder.holds_journals()


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    folder, path = Folder(tmp_path), tmp_path / "one.jsonl"
    line = msgspec.json.encode(note(1.0, "one", "killed", "a")) + b"\n"
    path.write_bytes(line[:20])
    assert folder.read_all() == []
    with path.open("ab") as file:
        file.write(line[20:])
    assert subjects(folder.read_all()) == ["a"]


def test_a_journal_that_is_put_aside_is_read_to_its_end_and_not_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "OCTETS_MAX", 1_000)
    folder, one = Folder(tmp_path), Journal(tmp_path / "one.jsonl", "one")
    seen: list[str] = []
    for number in range(60):
        one.note("killed", f"{number}")
        if number % 3 == 0:
            seen += subjects(folder.read_all())
    seen += subjects(folder.read_all())
    assert seen == [f"{number}" for number in range(60)]
    assert (tmp_path / "one.old").exists()


def test_what_is_newer_than_the_look_waits_so_that_nothing_can_overtake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file grows while another is read: its note is from after the look began."""
    ahead = Journal(tmp_path / "a.jsonl", "a")
    behind = Journal(tmp_path / "b.jsonl", "b")
    folder = Folder(tmp_path)
    behind.note("killed", "first")
    frozen = clock.monotonic()
    ahead.note("killed", "second")
    with monkeypatch.context() as patched:
        patched.setattr(clock, "monotonic", lambda: frozen)
        assert subjects(folder.read_settled()) == ["first"]
    behind.note("killed", "third")
    assert subjects(folder.read_settled()) == ["second", "third"]


def test_a_wall_clock_that_jumps_does_not_reorder(tmp_path: Path) -> None:
    for name, tick, at in (("a", 1.0, 5000.0), ("b", 2.0, 1000.0), ("c", 3.0, 9000.0)):
        line = journal.Note(at=at, tick=tick, process=name, what="killed", subject=name, boot="x")
        (tmp_path / f"{name}.jsonl").write_bytes(msgspec.json.encode(line) + b"\n")
    assert subjects(Folder(tmp_path).read_all()) == ["a", "b", "c"]
