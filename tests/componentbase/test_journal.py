"""Notes survive their writer, and come back in the order in which things happened."""

from pathlib import Path

import pytest

from componentbase import journal
from componentbase.journal import Journal, Note


def test_notes_of_several_processes_come_back_in_order(tmp_path: Path) -> None:
    one = Journal(tmp_path / "journal" / "one.jsonl", "one")
    two = Journal(tmp_path / "journal" / "two.jsonl", "two")
    one.note("killed", "node-2")
    two.note("not-ready", "node-2", grace_s=5.0)
    one.note("started", "node-2")

    notes = journal.read(tmp_path / "journal")

    assert [(n.process, n.what) for n in notes] == [
        ("one", "killed"),
        ("two", "not-ready"),
        ("one", "started"),
    ]
    assert notes[1].details == {"grace_s": 5.0}


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    Journal(path, "one").note("killed", "node-2")
    with path.open("ab") as file:
        file.write(b'{"at": 1.0, "tick"')

    assert [n.what for n in journal.read(tmp_path)] == ["killed"]


def test_a_journal_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "OCTETS_MAX", 2_000)
    one = Journal(tmp_path / "one.jsonl", "one")
    for number in range(200):
        one.note("killed", f"node-{number}")

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 5_000
    assert journal.read(tmp_path)[-1].subject == "node-199"


def test_without_a_path_nothing_is_written_and_nothing_fails() -> None:
    Journal("", "one").note("killed", "node-2")


def test_a_folder_that_cannot_be_made_loses_the_note_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Journal(tmp_path / "file" / "one.jsonl", "one").note("killed", "node-2")

    assert journal.read(tmp_path) == []


def test_notes_of_an_earlier_boot_come_first_whatever_their_ticks(tmp_path: Path) -> None:
    """After a reboot the monotonic clock begins anew."""
    notes = [
        Note(at=100.0, tick=9000.0, process="p", what="killed", subject="old", boot="a"),
        Note(at=500.0, tick=3.0, process="p", what="killed", subject="new", boot="b"),
        Note(at=90.0, tick=8999.0, process="p", what="killed", subject="older", boot="a"),
    ]
    assert [n.subject for n in journal.in_order(notes)] == ["older", "old", "new"]
    Journal(tmp_path / "one.jsonl", "one").note("killed", "node-2")
    assert journal.read(tmp_path)[0].boot == journal.this_boot()
