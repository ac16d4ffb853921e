"""The order of victims (upstream: helpers_test.go, TestOrderedBy…, TestRank…)."""

from eviction_pods import names, pod, using

from nodeagent.kubelet.eviction.ranking import Candidate, rank


def test_ordered_by_exceeds_request_memory():
    below, exceeds = pod("below", "200Mi"), pod("exceeds", "100Mi")
    ranked = rank("memory", [using(below, memory=199), using(exceeds, memory=101)])
    assert names(ranked) == ["exceeds", "below"]


def test_ordered_by_priority_memory():
    """The upstream table: above one's request first, then priority, then how far above."""
    candidates = [
        using(pod("above-high-high", "250Mi", priority=1000), memory=750),
        using(pod("above-high-low", "100Mi", priority=1000), memory=300),
        using(pod("below-high", "1Gi", priority=1000), memory=900),
        using(pod("above-low-high", "250Mi", priority=-1), memory=750),
        using(pod("above-low-low", "100Mi", priority=-1), memory=300),
        using(pod("below-low", "1Gi", priority=-1), memory=400),
        Candidate(pod=pod("unknown")),
    ]
    assert names(rank("memory", candidates)) == [
        "unknown",
        "above-low-high",
        "above-low-low",
        "above-high-high",
        "above-high-low",
        "below-low",
        "below-high",
    ]


def test_ordered_by_memory_takes_who_is_farthest_above_his_request():
    candidates = [
        using(pod("best-effort-low"), memory=300),
        using(pod("best-effort-high"), memory=500),
        using(pod("burstable-low", "100Mi"), memory=850),
        using(pod("burstable-high", "100Mi"), memory=800),
        using(pod("guaranteed-low", "1Gi"), memory=300),
        using(pod("guaranteed-high", "1Gi"), memory=800),
    ]
    assert names(rank("memory", candidates)) == [
        "burstable-low",
        "burstable-high",
        "best-effort-high",
        "best-effort-low",
        "guaranteed-high",
        "guaranteed-low",
    ]


def test_ordered_by_priority_disk():
    candidates = [
        using(pod("below", storage="200Mi", priority=-1), storage=199),
        using(pod("above-low", storage="50Mi", priority=-1), storage=100),
        using(pod("above-high", storage="50Mi", priority=9), storage=900),
    ]
    ranked = rank("ephemeral-storage", candidates)
    assert names(ranked) == ["above-low", "above-high", "below"]


def test_ordered_by_priority_and_processes():
    candidates = [
        using(pod("high-many", priority=9), processes=30),
        using(pod("low-few", priority=1), processes=1),
        using(pod("low-many", priority=1), processes=20),
    ]
    assert names(rank("pids", candidates)) == ["low-many", "low-few", "high-many"]
