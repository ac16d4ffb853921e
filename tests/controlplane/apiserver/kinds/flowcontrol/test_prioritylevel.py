"""PriorityLevelConfigurations: rows of upstream's TestPriorityLevelConfigurationValidation."""

from __future__ import annotations

import pytest


def limited(**fields):
    return {"spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}, **fields}}}


def queued(**queuing):
    return limited(limitResponse={"type": "Queue", "queuing": queuing})


QUEUING = "spec.limited.limitResponse.queuing"


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (limited(), []),
        (queued(), []),
        ({"spec": {"type": "Exempt"}},
         ['spec.type: Invalid value: "Exempt": type must be \'Exempt\' if and only if name is '
          "'exempt'"]),
        ({"spec": {"type": "Limited"}},
         ["spec.limited: Required value: must not be empty when type is Limited"]),
        ({"spec": {"type": "Some"}},
         ['spec.type: Unsupported value: "Some": supported values: "Exempt", "Limited"']),
        (limited(nominalConcurrencyShares=-1),
         ["spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative "
          "integer"]),
        (limited(lendablePercent=101),
         ["spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, "
          "inclusive"]),
        (limited(borrowingLimitPercent=-1),
         ["spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a "
          "non-negative integer"]),
        (limited(limitResponse={"type": "Queue"}),
         [f"{QUEUING}: Required value: must not be empty if limited.limitResponse.type is "
          "Limited"]),
        (limited(limitResponse={"type": "Reject", "queuing": {}}),
         [f"{QUEUING}: Forbidden: must be nil if limited.limitResponse.type is not Limited"]),
        (queued(queues=-1), [f"{QUEUING}.queues: Invalid value: -1: must be positive",
                             f"{QUEUING}.handSize: Invalid value: 8: should not be greater than "
                             "queues (-1)"]),
        (queued(queues=10000001, handSize=1),
         [f"{QUEUING}.queues: Invalid value: 10000001: must not be greater than 10000000"]),
        (queued(queues=512, handSize=8),
         [f"{QUEUING}.handSize: Invalid value: 8: required entropy bits of deckSize 512 and "
          "handSize 8 should not be greater than 60"]),
        (queued(queues=128, handSize=8), []),
    ],
)  # fmt: skip
def test_levels(wrong, body, messages):
    assert wrong("PriorityLevelConfiguration", body) == messages


def test_the_room_of_mandatory_levels_is_free(wrong):
    body = limited(nominalConcurrencyShares=7)
    assert wrong("PriorityLevelConfiguration", body, "catch-all") == []
    [message] = wrong("PriorityLevelConfiguration", queued(), "catch-all")
    assert message.endswith("spec of 'catch-all' must equal the fixed value")


def test_rows(kind_of, made):
    row = kind_of("PriorityLevelConfiguration").cells
    level = made("PriorityLevelConfiguration", queued())
    assert row(level, 1767323045) == ("web", "Limited", 30, 64, 8, 50, "0s")
    exempt = made("PriorityLevelConfiguration", {"spec": {"type": "Exempt"}}, "exempt")
    none = "<none>"
    assert row(exempt, 1767323045) == ("exempt", "Exempt", 0, none, none, none, "0s")
