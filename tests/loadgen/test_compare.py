from __future__ import annotations

import json

import pytest

from loadgen.compare import read, rows
from loadgen.plan import PlanError

REPORT = {
    "url": "http://web/",
    "rate_asked": 100.0,
    "rate_achieved": 99.0,
    "sent": 1000,
    "ok": 900,
    "kept_its_rate": True,
    "latency_s": {"p50": 0.001, "p99": 0.010},
    "series": [],
}


@pytest.fixture
def stored(tmp_path):
    def write(name, **change):
        path = tmp_path / name
        path.write_text(json.dumps({**REPORT, **change}))
        return path

    return write


def test_figures_stand_side_by_side(stored):
    after = read(stored("b", ok=1000, latency_s={"p50": 0.002}))
    found = {row.figure: (row.before, row.after) for row in rows(read(stored("a")), after)}
    assert found == {
        "requests/s asked": (100, 100),
        "requests/s achieved": (99, 99),
        "success %": (90, 100),
        "p50 ms": (1, 2),
    }


def test_ratios_have_a_base(stored):
    nothing = read(stored("a", sent=0, ok=0))
    [row] = [row for row in rows(nothing, nothing) if row.figure == "success %"]
    assert row.ratio is None


@pytest.mark.parametrize("text", ["", "{}", '{"url": 1}'])
def test_what_is_no_report_is_told(tmp_path, text):
    path = tmp_path / "a"
    path.write_text(text)
    with pytest.raises(PlanError, match="is no report"):
        read(path)
    with pytest.raises(PlanError, match="No such file"):
        read(tmp_path / "missing")
