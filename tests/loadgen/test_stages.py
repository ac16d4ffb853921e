from __future__ import annotations

import pytest

from loadgen.stages import OCTETS_MAX, Arrival, Stage, StageError, parse_stages, read_stages


def test_stages_are_read_line_by_line():
    text = "# warm up\n\n10s 100\n30s 500 ramp # up\n1m 500 poisson\n500ms 0 poisson-ramp\n"
    assert parse_stages(text) == (
        Stage(10, 100, 100, Arrival.CONSTANT),
        Stage(30, 100, 500, Arrival.RAMP),
        Stage(60, 500, 500, Arrival.POISSON),
        Stage(0.5, 500, 0, Arrival.POISSON_RAMP),
    )


def test_a_first_ramp_begins_at_nothing():
    (stage,) = parse_stages("10s 100 ramp")
    assert (stage.rate, stage.rate_end, stage.requests) == (0, 100, 500)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no stage"),
        ("# nothing\n", "there is no stage"),
        ("10s 5\n10s\n", "line 2: a stage is DURATION RATE"),
        ("10s 5 poisson now", "line 1: a stage is DURATION RATE"),
        ("soon 5", "line 1: 'soon' is no duration"),
        ("\n\n10s fast", "line 3: 'fast' is no rate"),
        ("10s 5 sine", "line 1: 'sine' is no arrival; there are constant, poisson, ramp"),
        ("0s 5", "line 1: a stage lasts longer than nothing"),
        ("1s 5\n" * 1001, "line 1001: more than 1000 stages"),
    ],
)
def test_a_bad_file_says_where(text, words):
    with pytest.raises(StageError, match=words):
        parse_stages(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(StageError, match="missing: No such file"):
        read_stages(tmp_path / "missing")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(StageError, match="binary is no text"):
        read_stages(tmp_path / "binary")
    (tmp_path / "bad").write_text("10s\n")
    with pytest.raises(StageError, match="bad: line 1: "):
        read_stages(tmp_path / "bad")


def test_a_file_without_an_end_is_refused(tmp_path):
    with (tmp_path / "long").open("wb") as file:
        file.truncate(OCTETS_MAX + 1)
    with pytest.raises(StageError, match="long: more than 1048576 octets"):
        read_stages(tmp_path / "long")
