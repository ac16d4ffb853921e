"""How long what nodes have read may be kept (upstream: TestDesiredTTL)."""

from __future__ import annotations

from controlplane.controllermanager.ttl.boundaries import Boundaries


def grown_to(count):
    made = Boundaries()
    for _ in range(count):
        made.added()
    return made


def test_the_more_nodes_the_longer():
    seconds = [grown_to(count).ttl_s for count in (0, 100, 101, 500, 501, 1000, 1001, 2001)]
    assert seconds == [0, 0, 15, 15, 30, 30, 60, 300]


def test_a_cluster_that_shrinks_a_little_stays_at_its_step():
    made = grown_to(101)
    for _ in range(11):
        made.removed()
    assert made.ttl_s == 15
    made.removed()
    assert made.ttl_s == 0
