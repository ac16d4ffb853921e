"""When old revisions are forgotten."""

from controlplane.storage.compaction import AGE_MAX_S, REVISIONS_MAX, CompactionPolicy


def test_young_revisions_are_kept():
    policy = CompactionPolicy(10, 0.0)
    assert policy.plan(500, 1, AGE_MAX_S - 1) is None


def test_what_was_current_long_ago_is_the_new_oldest():
    policy = CompactionPolicy(10, 0.0)
    assert policy.plan(200, 1, 100.0) is None
    assert policy.plan(300, 1, AGE_MAX_S) == 10
    assert policy.plan(300, 10, AGE_MAX_S + 50) is None
    assert policy.plan(300, 10, AGE_MAX_S + 100) == 200


def test_a_burst_is_bounded():
    policy = CompactionPolicy(1, 0.0)
    target = policy.plan(REVISIONS_MAX + 2, 1, 1.0)
    assert target is not None
    assert 1 < target < REVISIONS_MAX


def test_an_idle_store_is_left_alone():
    policy = CompactionPolicy(10, 0.0)
    assert policy.plan(10, 10, 10 * AGE_MAX_S) is None
