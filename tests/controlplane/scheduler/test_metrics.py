"""What the scheduler's numbers say."""

from __future__ import annotations

from cluster_facts import World, node_info, pod_info

from componentbase.series import exposition
from controlplane.scheduler.framework.cluster_event import ClusterEvent
from controlplane.scheduler.metrics import SCHEDULED, SchedulerMetrics, Sizes
from controlplane.scheduler.queue import SchedulingQueue

NOTHING = Sizes(pending=dict, cached=dict, refused=dict)


def lines(metrics, sizes=NOTHING):
    return exposition(metrics.series(sizes)).splitlines()


def test_a_scheduled_pod_is_counted():
    metrics = SchedulerMetrics()
    metrics.attempted("default-scheduler", SCHEDULED, 0.003)
    metrics.scheduled(1, 0.5)
    metrics.scheduled(15, 100.0)
    told = lines(metrics)
    by = 'result="scheduled",profile="default-scheduler"'
    assert f"scheduler_schedule_attempts_total{{{by}}} 1" in told
    bucket = "scheduler_scheduling_attempt_duration_seconds_bucket"
    assert f'{bucket}{{{by},le="0.002"}} 0' in told
    assert f'{bucket}{{{by},le="0.004"}} 1' in told
    assert 'scheduler_pod_scheduling_sli_duration_seconds_count{attempts="1"} 1' in told
    assert 'scheduler_pod_scheduling_sli_duration_seconds_count{attempts="15+"} 1' in told
    assert "scheduler_pod_scheduling_attempts_sum 16.0" in told


def test_extension_points_are_timed():
    world = World([node_info("a"), node_info("b")])
    world.schedule(pod_info())
    world.schedule(pod_info(cpu="100"))
    told = lines(world.metrics)
    count = "scheduler_framework_extension_point_duration_seconds_count"
    for point, status, times in (
        ("PreFilter", "Success", 2),
        ("Filter", "Success", 1),
        ("Filter", "Unschedulable", 1),
        ("Score", "Success", 1),
        ("PostFilter", "Unschedulable", 1),
    ):
        labels = f'extension_point="{point}",status="{status}",profile="default-scheduler"'
        assert f"{count}{{{labels}}} {times}" in told


def test_pods_come_into_queues_by_events():
    metrics = SchedulerMetrics()
    queue = SchedulingQueue(
        backoff_initial_s=1,
        backoff_max_s=10,
        unschedulable_max_s=300,
        admits=lambda pod: pod.key != "ns/gated",
        sort_key=lambda pod, added_at: (added_at,),
        came=metrics.came,
    )
    for name in ("gated", "a", "b"):
        queue.add(pod_info(name), 0.0)
    assert queue.sizes() == {"active": 2, "backoff": 0, "unschedulable": 0, "gated": 1}
    a, b = queue.pop(1.0), queue.pop(2.0)
    assert a is not None
    assert b is not None
    queue.failed(a.key, 3.0)
    queue.unschedulable(b.key, [{ClusterEvent.NODE_ADDED: None}], 3.0)
    assert queue.sizes() == {"active": 0, "backoff": 1, "unschedulable": 1, "gated": 1}
    assert queue.pop(4.0) == a
    assert queue.since_first_s(a.key, 4.5) == 3.5
    queue.wake(b.key, 5.0)
    told = lines(metrics, Sizes(pending=queue.sizes, cached=lambda: {"nodes": 3}, refused=dict))
    for place, event, count in (
        ("active", "UnschedulablePodAdd", 2),
        ("gated", "UnschedulablePodAdd", 1),
        ("backoff", "ScheduleAttemptFailure", 1),
        ("unschedulable", "ScheduleAttemptFailure", 1),
        ("active", "BackoffComplete", 1),
        ("active", "ForceActivate", 1),
    ):
        row = f'scheduler_queue_incoming_pods_total{{queue="{place}",event="{event}"}} {count}'
        assert row in told, told
    assert 'scheduler_pending_pods{queue="active"} 1' in told
    assert 'scheduler_cache_size{type="nodes"} 3' in told


def test_preemption():
    metrics = SchedulerMetrics()
    metrics.preempted(0)
    metrics.preempted(3)
    told = lines(metrics)
    assert "scheduler_preemption_attempts_total 2" in told
    assert 'scheduler_preemption_victims_bucket{le="4.0"} 1' in told


def test_plugins_are_counted_by_the_nodes_that_they_are_asked_about():
    world = World([node_info("a", taints=[{"key": "k", "effect": "NoSchedule"}]), node_info("b")])
    world.schedule(pod_info(cpu="1"))
    told = lines(world.metrics)
    for plugin, point, times in (
        ("NodeResourcesFit", "PreFilter", 1),
        ("NodeName", "Filter", 2),
        ("TaintToleration", "Filter", 2),
        ("NodeResourcesFit", "Filter", 1),  # The tainted node was refused before.
    ):
        labels = f'plugin="{plugin}",extension_point="{point}",profile="default-scheduler"'
        assert f"scheduler_plugin_evaluation_total{{{labels}}} {times}" in told
    # It has nothing to say about a pod without ports.
    assert not any('plugin="NodePorts"' in line for line in told)


def test_scores_are_counted_where_there_is_a_choice():
    world = World([node_info("a"), node_info("b")])
    world.schedule(pod_info(cpu="1"))
    labels = 'plugin="NodeResourcesFit",extension_point="Score",profile="default-scheduler"'
    assert f"scheduler_plugin_evaluation_total{{{labels}}} 2" in lines(world.metrics)


def test_pods_that_wait_are_counted_by_who_refused_them():
    queue = SchedulingQueue(
        backoff_initial_s=1,
        backoff_max_s=10,
        unschedulable_max_s=300,
        admits=lambda _pod: True,
        sort_key=lambda _pod, added_at: (added_at,),
    )
    for name, plugins in (("a", ["NodeAffinity"]), ("b", ["NodeAffinity", "NodePorts"])):
        queue.add(pod_info(name), 0)
        queue.pop(0)
        queue.unschedulable(f"ns/{name}", [], 0, refused_by=plugins)
    told = lines(SchedulerMetrics(), Sizes(pending=dict, cached=dict, refused=queue.refused))
    by = "scheduler_unschedulable_pods"
    assert f'{by}{{plugin="NodeAffinity",profile="default-scheduler"}} 2' in told
    assert f'{by}{{plugin="NodePorts",profile="default-scheduler"}} 1' in told
    queue.remove("ns/b")
    assert queue.refused() == {("NodeAffinity", "default-scheduler"): 1}


def test_waits_for_permit_plugins_are_timed():
    metrics = SchedulerMetrics()
    metrics.waited("Success", 0.003)
    bucket = "scheduler_permit_wait_duration_seconds_bucket"
    assert f'{bucket}{{result="Success",le="0.004"}} 1' in lines(metrics)
