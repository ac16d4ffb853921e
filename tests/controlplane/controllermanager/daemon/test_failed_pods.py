"""Back-off of pods that fail on a node."""

from __future__ import annotations

from controlplane.controllermanager.daemon import failed_pods
from controlplane.controllermanager.daemon.failed_pods import INITIAL_S, MAX_S, FailedPods


def test_each_replacement_doubles_the_wait_up_to_the_bound():
    failed, now = FailedPods(), 100.0
    assert failed.wait_s("k", now) == 0
    waits = []
    for _ in range(15):
        failed.replaced("k", now)
        waits.append(failed.wait_s("k", now))
        now += waits[-1]
        assert failed.wait_s("k", now) == 0
    assert waits[:3] == [INITIAL_S, 2 * INITIAL_S, 4 * INITIAL_S]
    assert waits[-1] == MAX_S
    failed.replaced("k", now + 3 * MAX_S)
    assert failed.wait_s("k", now + 3 * MAX_S) == INITIAL_S


def test_the_oldest_entry_is_forgotten(monkeypatch):
    monkeypatch.setattr(failed_pods, "ENTRIES_MAX", 1)
    failed = FailedPods()
    failed.replaced("a", 0.0)
    failed.replaced("b", 0.0)
    assert failed.wait_s("a", 0.0) == 0
    assert failed.wait_s("b", 0.0) == INITIAL_S
