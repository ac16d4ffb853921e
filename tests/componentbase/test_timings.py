"""Timers: upstream's values, and a lab that keeps their ratios."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from componentbase.timings import KUBERNETES, LAB, TIMINGS


def test_upstreams_defaults() -> None:
    assert KUBERNETES.node_lease_duration_s == 40
    assert KUBERNETES.node_lease_renew_s == 10
    assert KUBERNETES.node_monitor_grace_s == 50
    assert KUBERNETES.default_toleration_s == 300
    assert (KUBERNETES.leader_lease_s, KUBERNETES.leader_renew_deadline_s) == (15, 10)


def test_the_lab_runs_ten_times_faster_with_every_ratio_kept() -> None:
    real, lab = asdict(KUBERNETES), asdict(LAB)
    assert {name: lab[name] / real[name] for name in real} == pytest.approx(
        dict.fromkeys(real, 0.1)
    )


def test_timings_have_the_names_that_people_type() -> None:
    assert sorted(TIMINGS) == ["kubernetes", "lab"]
