"""Tolerations against taints, and how long they hold."""

from __future__ import annotations

import math

import pytest

from controlplane.controllermanager.tainteviction.deadlines import (
    Deadlines,
    tolerated_s,
    tolerates,
)

TAINT = {"key": "k", "value": "v", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, True),
        ({"key": "k", "operator": "Exists", "effect": "NoSchedule"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "k", "operator": "Equal", "value": "v"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "value": "w"}, False),
        ({"key": "k"}, False),
        ({"value": "v"}, False),
        ({}, False),
    ],
)
def test_tolerates(toleration, expected):
    assert tolerates(toleration, TAINT) is expected


def limit(seconds, key="k"):
    return {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}


@pytest.mark.parametrize(
    ("tolerations", "taints", "expected"),
    [
        ([], [], math.inf),
        ([], [TAINT], 0),
        ([], [{**TAINT, "effect": "NoSchedule"}], math.inf),
        ([{"operator": "Exists"}], [TAINT], math.inf),
        ([limit(300)], [TAINT], 300),
        ([limit(-1)], [TAINT], 0),
        ([limit(300), limit(30)], [TAINT], 30),
        ([limit(300), {"operator": "Exists"}], [TAINT], 300),
        ([limit(300)], [TAINT, {**TAINT, "key": "second"}], 0),
        ([limit(300), limit(60, "second")], [TAINT, {**TAINT, "key": "second"}], 60),
    ],
)
def test_tolerated(tolerations, taints, expected):
    assert tolerated_s(tolerations, taints) == expected


def test_the_clock_runs_from_the_first_sight():
    deadlines = Deadlines()
    assert deadlines.remaining_s("u", 30, 100.0) == 30
    assert deadlines.remaining_s("u", 30, 120.0) == 10
    assert deadlines.remaining_s("u", 30, 200.0) == 0


def test_a_shorter_toleration_counts_from_the_same_moment():
    deadlines = Deadlines()
    deadlines.remaining_s("u", 300, 100.0)
    assert deadlines.remaining_s("u", 30, 110.0) == 20


def test_cancelling_starts_anew():
    deadlines = Deadlines()
    deadlines.remaining_s("u", 30, 100.0)
    assert deadlines.cancel("u")
    assert not deadlines.cancel("u")
    assert deadlines.remaining_s("u", 30, 120.0) == 30


def test_who_may_stay_has_no_timer():
    deadlines = Deadlines()
    deadlines.remaining_s("u", 30, 0.0)
    assert deadlines.remaining_s("u", math.inf, 1.0) is None
    assert len(deadlines) == 0
