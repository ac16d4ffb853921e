"""Which nodes load balancers leave out."""

from __future__ import annotations

from podwire.launcher.balancing import MISSES, NodeChecks


def checks(*names):
    made = NodeChecks()
    made.keep(names)
    return made


def test_a_node_is_left_out_after_misses_in_a_row_and_back_with_one_answer():
    made = checks("node-1", "node-2")
    for healthy in (*[False] * (MISSES - 1), True, *[False] * MISSES):
        assert made.unhealthy() == []
        made.said("node-1", healthy=True)
        made.said("node-2", healthy=healthy)
    assert made.unhealthy() == ["node-2"]
    made.said("node-2", healthy=True)
    assert made.unhealthy() == []


def test_where_nobody_is_healthy_all_are_sent_to():
    made = checks("node-1", "node-2")
    for _ in range(MISSES):
        made.said("node-1", healthy=False)
        made.said("node-2", healthy=False)
    assert made.unhealthy() == []
    made.said("node-1", healthy=True)
    assert made.unhealthy() == ["node-2"]


def test_who_balances_no_longer_is_forgotten():
    made = checks("node-1", "node-2")
    for _ in range(MISSES):
        made.said("node-2", healthy=False)
    made.keep(["node-1"])
    made.keep(["node-1", "node-2"])
    assert made.unhealthy() == []
