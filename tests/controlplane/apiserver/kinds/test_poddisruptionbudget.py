"""PodDisruptionBudgets: what may be asked, what is refused, what is shown."""

from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.poddisruptionbudget import row

SELECTOR = {"matchLabels": {"app": "web"}}
KIND = "PodDisruptionBudget"


def causes(made, kind_of, **spec):
    return [str(cause) for cause in kind_of(KIND).validate(made(KIND, {"spec": spec}))]


@pytest.mark.parametrize(
    "spec",
    [
        {"minAvailable": 2, "selector": SELECTOR},
        {"maxUnavailable": "50%", "selector": SELECTOR},
        {"maxUnavailable": 0},
        {"selector": {}, "unhealthyPodEvictionPolicy": "AlwaysAllow"},
    ],
)
def test_sound_budgets_are_taken(made, kind_of, spec):
    assert causes(made, kind_of, **spec) == []


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ({"minAvailable": 1, "maxUnavailable": 1}, "minAvailable and maxUnavailable cannot be"),
        ({"minAvailable": -1}, "spec.minAvailable: Invalid value: -1"),
        ({"maxUnavailable": "120%"}, "must not be greater than 100%"),
        ({"minAvailable": "2"}, "a valid percent string"),
        ({"selector": {"matchLabels": {"app": "b a d"}}}, "spec.selector.matchLabels"),
        (
            {"unhealthyPodEvictionPolicy": "Never"},
            'supported values: "AlwaysAllow", "IfHealthyBudget"',
        ),
    ],
)
def test_unsound_budgets_are_refused(made, kind_of, spec, wrong):
    [message] = causes(made, kind_of, **spec)
    assert wrong in message


def test_counts_of_a_status_are_not_negative(made, kind_of):
    budget = {**made(KIND), "status": {"disruptionsAllowed": -1}}
    [cause] = kind_of(KIND).validate(budget)
    assert cause.field == "status.disruptionsAllowed"


def test_a_status_of_a_client_is_ignored_and_generations_count(made, kind_of):
    old = made(KIND, {"spec": {"minAvailable": 1}, "status": {"disruptionsAllowed": 9}})
    assert (old["status"], old["metadata"]["generation"]) == ({}, 1)
    new = {**old, "spec": {"minAvailable": 2}, "metadata": dict(old["metadata"])}
    kind_of(KIND).prepare_update(new, old)
    assert new["metadata"]["generation"] == 2


def test_a_row_says_what_was_not_asked(made):
    budget = made(KIND, {"spec": {"maxUnavailable": "50%"}})
    budget["status"] = {"disruptionsAllowed": 2}
    assert list(row(budget, 1767323045.0))[:4] == ["web", "N/A", "50%", 2]
