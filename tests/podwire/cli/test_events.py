"""`podwire events` as it is typed: what it prints, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from componentbase.journal import Journal, Note
from podwire.cli.events import events
from podwire.cluster.layout import UsageError

EPOCH = 1_800_000_000.0
UNREACHABLE = "node.kubernetes.io/unreachable:NoExecute"


def write(folder: Path, process: str, *notes: tuple[float, str, str, dict]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        Note(at=EPOCH + t, tick=t, process=process, what=what, subject=subject, details=details)
        for t, what, subject, details in notes
    ]
    octets = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    (folder / f"{process.replace('/', '.')}.jsonl").write_bytes(octets)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two deaths of nodes, and one programmed change."""
    made = tmp_path / "journal"
    write(made, "launcher", (10, "killed", "node-2", {"pid": 1}), (50, "killed", "node-3", {}))
    write(
        made, "controller-manager",
        (15, "not-ready", "node-2", {"grace_s": 5.0, "last_heartbeat_at": EPOCH + 9.8}),
        (15.1, "tainted", "node-2", {"taint": UNREACHABLE}),
        (15.2, "endpoints-changed", "default/web",
         {"slice": "web-1", "resource_version": "7", "added": [], "removed": ["default/p"]}),
    )  # fmt: skip
    write(
        made, "node-1/nodeagent",
        (15.21, "programmed", "default/web",
         {"node": "node-1", "slice": "web-1", "resource_version": "7", "latency_s": 0.02}),
    )  # fmt: skip
    return made


def run(*words: str) -> Result:
    return CliRunner().invoke(events, list(words), catch_exceptions=False)


def refusal(*words: str) -> str:
    with pytest.raises(UsageError) as refused:
        run(*words)
    return str(refused.value)


def test_all_journals_are_one_timeline(folder: Path) -> None:
    lines = run("--journal", str(folder)).output.splitlines()
    assert [line.split("  ")[-1] for line in lines if "killed" in line] == ["#1", "#2"]
    assert "node-2 NotReady" in lines[1]
    assert "+5.200 s" in lines[3]
    assert len(lines) == 6


def test_json_is_every_note_in_order(folder: Path) -> None:
    notes = json.loads(run("--journal", str(folder), "-o", "json").output)
    assert [note["tick"] for note in notes] == [10, 15, 15.1, 15.2, 15.21, 50]


def test_kinds_and_nodes_are_chosen(folder: Path) -> None:
    out = run("--journal", str(folder), "--what", "killed", "--what", "tainted", "--node", "node-2")
    assert len(out.output.splitlines()) == 2
    assert "node-1" in run("--journal", str(folder), "--node", "node-1").output


def test_the_last_failure_is_explained_or_the_one_that_is_named(folder: Path) -> None:
    last = json.loads(run("--journal", str(folder), "--explain", "-o", "json").output)
    assert last["incident"]["subject"] == "node-3"
    first = json.loads(run("--journal", str(folder), "--explain", "1", "-o", "json").output)
    assert [one["step"] for one in first["steps"]][:4] == [
        "last-heartbeat", "killed", "not-ready", "tainted",
    ]  # fmt: skip
    assert run("--journal", str(folder), "--explain", "#1").output.startswith("#1  node-2 killed")


def test_programming_is_shown_by_node(folder: Path) -> None:
    (row,) = json.loads(run("--journal", str(folder), "--programming", "-o", "json").output)
    assert row["node"] == "node-1"
    assert row["from_trigger"] == {"n": 1, "p50_s": 0.02, "p99_s": 0.02, "max_s": 0.02}
    assert row["from_write"]["max_s"] == pytest.approx(0.01)
    assert "node-1" in run("--journal", str(folder), "--programming").output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--explain", "9"], "there is no failure 9; the last ones are: #1 node-2 killed"),
        (["--explain", "x"], "a number is needed"),
        (["--since", "yesterday"], "write 90s, 5m or 2h"),
        (["--what", "nothing"], "there are killed, "),
        (["--node", "node-77"], "no event concerns 'node-77'"),
        (["-f", "--explain"], "leave out --explain"),
        (["--explain", "--programming"], "choose one"),
    ],
)
def test_what_makes_no_sense_is_refused(folder: Path, words: list[str], says: str) -> None:
    assert says in refusal("--journal", str(folder), *words)


def test_empty_and_foreign_folders_are_refused(tmp_path: Path) -> None:
    assert "is no folder" in refusal("--journal", str(tmp_path / "none"))
    assert "holds no journal" in refusal("--journal", str(tmp_path))
    (tmp_path / "data.jsonl").write_text('{"type": "plan"}\n')
    assert "holds no journal" in refusal("--journal", str(tmp_path))
    assert "holds no journal" in refusal("-f", "--journal", str(tmp_path))


def test_without_a_failure_there_is_nothing_to_explain(tmp_path: Path) -> None:
    write(tmp_path, "scheduler", (1, "leading", "scheduler", {}))
    assert "try: podwire node kill" in refusal("--journal", str(tmp_path), "--explain")


def test_a_cluster_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    assert "there is no cluster 'podwire'" in refusal()


def test_since_counts_by_the_monotonic_clock(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "p.jsonl", "p")
    journal.note("leading", "now")
    assert "now leads" in run("--journal", str(tmp_path), "--since", "1h").output
    write(tmp_path, "old", (-1e8, "leading", "ancient", {}))
    assert "ancient" not in run("--journal", str(tmp_path), "--since", "1h").output


def test_following_shows_what_comes_also_in_files_that_were_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    Journal(folder / "a.jsonl", "a").note("leading", "first")
    words = [sys.executable, "-m", "podwire", "events", "-f", "-o", "json", "--journal", folder]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        try:
            assert "first" in following.stdout.readline()
            Journal(folder / "b.jsonl", "b").note("killed", "node-2")
            assert json.loads(following.stdout.readline())["subject"] == "node-2"
        finally:
            following.kill()
