"""How long a ReplicaSet waits for more news of its pods."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.replicaset.controller import settle_s


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, 0.03),
        ({"replicas": 100}, 0.03),
        ({"replicas": 3000}, 0.3),
        ({"replicas": 100_000}, 1.0),
    ],
)
def test_thousands_of_replicas_are_looked_at_less_often(status, expected):
    assert settle_s({"status": status}) == pytest.approx(expected)


def test_one_that_is_gone_waits_as_a_small_one():
    assert settle_s(None) == 0.03


def test_next_burst_does_not_wait():
    many = {"spec": {"replicas": 501}, "status": {"replicas": 500}}
    assert settle_s(many, all_came=True) == 0
    assert settle_s(many) > 0
    few = {"spec": {"replicas": 500}, "status": {"replicas": 499}}
    assert settle_s(few, all_came=True) > 0
