from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from componentbase import journal
from componentbase.journal import Journal
from loadgen.cluster_notes import Journals, find_cluster
from loadgen.plan import PlanError


@pytest.fixture
def home(tmp_path):
    for name, text in (("lab", '{"block": 3, "nodes": 2}'), ("other", '{"block": 4}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cluster.json").write_text(text)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "cluster.json").write_text("{")
    (tmp_path / "a-file").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("choice", "host", "name"),
    [
        ("auto", "127.0.3.1", "lab"),
        ("auto", "127.0.131.250", "lab"),
        ("auto", "127.0.4.2", "other"),
        ("auto", "127.0.5.1", None),
        ("auto", "127.0.0.1", None),
        ("auto", "192.168.64.1", None),
        ("auto", "localhost", None),
        ("none", "127.0.3.1", None),
        ("other", "127.0.3.1", "other"),
    ],
)
def test_clusters_are_found_by_address_or_name(home, choice, host, name):
    assert find_cluster(home, choice, host) == (home / name if name else None)


@pytest.mark.parametrize("choice", ["missing", "broken", "../lab"])
def test_a_cluster_that_is_not_there(home, choice):
    with pytest.raises(PlanError, match="there is no cluster"):
        find_cluster(home, choice, "127.0.3.1")


def test_without_any_cluster_auto_finds_none(tmp_path):
    assert find_cluster(tmp_path / "missing", "auto", "127.0.3.1") is None


@pytest.fixture
def journals(tmp_path):
    return Journals(tmp_path, tmp_path / "loadgen-1.jsonl")


def test_only_new_notes_of_others_are_told(tmp_path, journals):
    launcher = Journal(tmp_path / "launcher.jsonl", "launcher")
    launcher.note("killed", "node-1")
    journals.skip()
    assert journals.look(0.0) == []
    launcher.note("killed", "node-2", pid=7)
    Journal(tmp_path / "controller-manager.jsonl", "controller-manager").note("not-ready", "node-2")
    Journal(journals.own, "loadgen-1").note("first-failure", "http://web/")
    events = journals.look(0.0)
    assert [(event.what, event.subject, event.process) for event in events] == [
        ("killed", "node-2", "launcher"),
        ("not-ready", "node-2", "controller-manager"),
    ]
    assert events[0].details == {"pid": 7}
    assert journals.look(0.0) == []


def test_half_a_line_waits_for_its_other_half(tmp_path, journals):
    path = tmp_path / "launcher.jsonl"
    Journal(path, "launcher").note("killed", "node-1")
    octets = path.read_bytes()
    path.write_bytes(octets[:20])
    assert journals.look(0.0) == []
    path.write_bytes(octets)
    assert [event.what for event in journals.look(0.0)] == ["killed"]


def test_a_journal_begun_anew_is_read_from_its_beginning(tmp_path, journals):
    path = tmp_path / "launcher.jsonl"
    launcher = Journal(path, "launcher")
    for _ in range(3):
        launcher.note("killed", "node-1")
    journals.skip()
    launcher.close()
    path.replace(tmp_path / "launcher.old")
    launcher.note("resumed", "node-1")
    assert [event.what for event in journals.look(0.0)] == ["resumed"]


def test_what_is_no_note_is_left_out(tmp_path, journals):
    (tmp_path / "launcher.jsonl").write_bytes(b"hello\n\n{}\n")
    assert journals.look(0.0) == []


def test_notes_of_this_boot_lie_where_their_ticks_say(tmp_path, journals):
    """The wall clock was set back an hour between the run's start and the note."""
    note = journal.Note(
        at=1000.0 - 3600, tick=50.0, process="launcher", what="killed", subject="node-1"
    )
    lines = [replace(note, boot=journals.boot), replace(note, boot="another")]
    octets = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    (tmp_path / "launcher.jsonl").write_bytes(octets)
    assert [event.at for event in journals.look(950.0)] == [1000.0, 1000.0 - 3600]


def test_a_journal_that_cannot_be_looked_at_is_no_end_of_a_run(journals, monkeypatch):
    def none_left(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(type(journals.folder), "glob", none_left)
    assert journals.look(0.0) == []
