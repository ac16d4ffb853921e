from __future__ import annotations

import pytest

from loadgen.validity import invalid_reasons, warnings


def reasons(*, sent=1000, late=0, lateness_max_s=0.0, lag_p99_s=0.001, errors=None):
    return invalid_reasons(sent, late, lateness_max_s, lag_p99_s, errors or {})


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"late": 11, "lateness_max_s": 0.5}, "11 of 1,000 requests left more than 10 ms late"),
        ({"lag_p99_s": 0.02}, "stood still for 20 ms"),
        ({"errors": {"no local port left": 3}}, "3 requests failed by loadgen's own limit"),
        ({"errors": {"too many open files (ulimit -n)": 1}}, "ulimit -n"),
    ],
)
def test_what_is_loadgens_own_fault(figures, words):
    (reason,) = reasons(**figures)
    assert words in reason


@pytest.mark.parametrize(
    "figures",
    [{"late": 10}, {"lag_p99_s": 0.01}, {"errors": {"timeout": 900, "dropped": 100}}, {"sent": 0}],
)
def test_what_is_not(figures):
    assert reasons(**figures) == []


def test_a_slow_server_is_worth_a_note():
    assert warnings({"timeout": 3}, 100) == []
    (note,) = warnings({"dropped": 3}, 100)
    assert "3 requests were never sent: 100 were under way already" in note
