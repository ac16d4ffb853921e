"""What work queues count."""

from __future__ import annotations

from componentbase.series import Gauge, exposition
from kubeapi.client.metrics import SERIES, QueueWatch


def test_a_queues_life_is_counted():
    now = 0.0
    queue = QueueWatch("told", lambda: 2, lambda: now)
    queue.added("a")
    now = 0.5
    queue.taken("a")
    now = 2.5
    gauges = {
        each.name: each.read()["told",]
        for each in SERIES
        if isinstance(each, Gauge) and each.labels == ("name",) and "queue" in each.name
    }
    assert gauges == {
        "workqueue_depth": 2,
        "workqueue_unfinished_work_seconds": 2,
        "workqueue_longest_running_processor_seconds": 2,
    }
    queue.done("a")
    queue.retried()
    text = exposition(SERIES)
    for line in (
        'workqueue_adds_total{name="told"} 1',
        'workqueue_retries_total{name="told"} 1',
        'workqueue_queue_duration_seconds_sum{name="told"} 0.5',
        'workqueue_work_duration_seconds_sum{name="told"} 2.0',
    ):
        assert line in text.splitlines()
