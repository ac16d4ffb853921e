"""How lines, latencies and explanations look."""

from __future__ import annotations

import pytest
from rich.console import Console
from story import EPOCH, failover, note

from podwire.timeline.condense import every
from podwire.timeline.explain import explain
from podwire.timeline.gantt import gantt
from podwire.timeline.incidents import incidents
from podwire.timeline.programming import programming
from podwire.timeline.render import Printer, latencies
from podwire.timeline.words import WORDS, sentence


def printed(renderable: object, width: int = 100) -> str:
    console = Console(width=width, force_terminal=False, color_system=None)
    with console.capture() as captured:
        console.print(renderable, soft_wrap=isinstance(renderable, str))
    return captured.get()


def test_times_count_from_the_last_act() -> None:
    printer = Printer()
    acts = [
        note(1.0, "scheduler", "leading", "scheduler"),
        note(10.0, "launcher", "killed", "node-2", pid=42),
        note(15.25, "controller-manager", "not-ready", "node-2", last_heartbeat_at=EPOCH + 10),
    ]
    first, kill, lost = (printer.line(line, 1).plain for line in every(acts))
    assert " s " not in first.split("scheduler")[0]
    assert "+0.000 s  launcher" in kill
    assert kill.endswith("node-2 killed (pid 42)  #1")
    assert "+5.250 s  controller-manager  node-2 NotReady (Ready=Unknown, silent for 5.2 s)" in lost


def test_columns_line_up_also_for_long_names() -> None:
    lines = every(
        [note(1, process, "leading", "X") for process in ("a", "node-100/nodeagent-of-old")]
    )
    starts = {Printer().line(line).plain.index("X leads") for line in lines}
    assert len(starts) == 1


def test_every_kind_of_note_reads_without_its_details_too() -> None:
    for what in WORDS:
        assert sentence(note(1, "p", what, "default/web"))
    assert sentence(note(1, "p", "unheard-of", "default/web")) == "unheard-of default/web"


@pytest.mark.parametrize("width", [80, 100, 140])
def test_an_explanation_fits_its_terminal_and_tells_every_step(width: int) -> None:
    notes = failover()
    out = printed(gantt(explain(notes, incidents(notes)[0]), width), width)
    assert max(map(len, out.splitlines())) <= width
    told = " ".join(out.split())
    for words in ("node-2 killed", "+14.750 s", "--node-monitor-grace-period", "tolerationSeconds"):
        assert words in told
    assert out.count("█") >= 17


def test_many_nodes_are_one_row() -> None:
    notes = failover()
    many = [
        note(
            14.78 + n / 1000, f"node-{n}/nodeagent", "programmed", "default/web",
            node=f"node-{n}", slice="web-1", resource_version="20",
        )
        for n in range(10, 60)
    ]  # fmt: skip
    story = sorted([*notes, *many], key=lambda one: one.tick)
    out = printed(gantt(explain(story, incidents(story)[0]), 140), 140)
    assert "52 nodes programmed within 89 ms" in out


def test_what_was_not_seen_stands_below() -> None:
    notes = [one for one in failover() if one.process != "loadgen"]
    out = printed(gantt(explain(notes, incidents(notes)[0]), 100))
    assert "not seen  last failure: no load was noted while this happened" in out


def test_latencies_are_a_table() -> None:
    out = printed(latencies(programming(failover())))
    assert out.splitlines()[0].split() == ["NODE", "N", "P50", "P99", "MAX", "FROM"]
    assert out.splitlines()[1].split()[:5] == ["node-1", "3", "20", "ms", "30"]
