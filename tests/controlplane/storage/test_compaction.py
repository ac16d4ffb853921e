"""When old revisions are forgotten."""

from controlplane.storage.compaction import AGE_MAX_S, OCTETS_MAX, REVISIONS_MAX, CompactionPolicy


def test_young_revisions_are_kept():
    policy = CompactionPolicy(10, 0.0)
    assert policy.plan(500, 1, 0, AGE_MAX_S - 1) is None


def test_what_was_current_long_ago_is_the_new_oldest():
    policy = CompactionPolicy(10, 0.0)
    assert policy.plan(200, 1, 0, 100.0) is None
    assert policy.plan(300, 1, 0, AGE_MAX_S) == 10
    assert policy.plan(300, 10, 0, AGE_MAX_S + 50) is None
    assert policy.plan(300, 10, 0, AGE_MAX_S + 100) == 200


def test_a_burst_is_bounded():
    policy = CompactionPolicy(1, 0.0)
    target = policy.plan(REVISIONS_MAX + 2, 1, 0, 1.0)
    assert target is not None
    assert 1 < target < REVISIONS_MAX


def test_an_idle_store_is_left_alone():
    policy = CompactionPolicy(10, 0.0)
    assert policy.plan(10, 10, 0, 10 * AGE_MAX_S) is None


def test_a_few_large_revisions_are_bounded_too():
    policy = CompactionPolicy(100, 0.0)
    assert policy.plan(200, 100, OCTETS_MAX, 1.0) is None
    assert policy.plan(200, 100, OCTETS_MAX + 1, 1.0) == 150
