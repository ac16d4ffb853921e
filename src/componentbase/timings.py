"""Every timer of the control plane and the nodes, in two sets.

`KUBERNETES` holds upstream's defaults (v1.32); `LAB` keeps every ratio and runs ten times
faster, so that a person can watch a failover. Values that a user writes into an object
(probe periods, tolerationSeconds, grace periods) are never scaled: only defaults are.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Durations in seconds. The comment behind each names upstream's flag or constant."""

    node_lease_duration_s: float  # kubelet nodeLeaseDurationSeconds
    node_lease_renew_s: float  # 0.25 x the duration
    node_status_update_s: float  # kubelet nodeStatusUpdateFrequency
    node_status_report_s: float  # kubelet nodeStatusReportFrequency, when nothing changed
    node_monitor_period_s: float  # --node-monitor-period
    node_monitor_grace_s: float  # --node-monitor-grace-period
    node_startup_grace_s: float  # --node-startup-grace-period
    default_toleration_s: float  # --default-not-ready-toleration-seconds
    leader_lease_s: float  # --leader-elect-lease-duration
    leader_renew_deadline_s: float  # --leader-elect-renew-deadline
    leader_retry_s: float  # --leader-elect-retry-period
    pod_resync_s: float  # kubelet syncFrequency
    image_backoff_initial_s: float  # kubelet image back-off
    image_backoff_max_s: float
    crash_backoff_initial_s: float  # kubelet CrashLoopBackOff
    crash_backoff_max_s: float
    eviction_monitor_s: float  # kubelet evictionMonitoringPeriod
    eviction_transition_s: float  # kubelet evictionPressureTransitionPeriod
    static_pod_check_s: float  # kubelet fileCheckFrequency
    image_gc_s: float  # kubelet ImageGCPeriod
    image_gc_age_s: float  # kubelet imageMinimumGCAge
    scheduler_backoff_initial_s: float  # podInitialBackoffSeconds
    scheduler_backoff_max_s: float  # podMaxBackoffSeconds
    scheduler_unschedulable_flush_s: float  # podMaxInUnschedulablePodsDuration
    proxy_sync_min_s: float  # kube-proxy minSyncPeriod; ours is event-driven, so it stays small
    proxy_sync_max_s: float  # kube-proxy syncPeriod
    metrics_resolution_s: float  # metrics-server --metric-resolution

    def scaled(self, factor: float) -> Timings:
        """Return these timings, each multiplied by *factor*."""
        assert factor > 0
        return Timings(**{f.name: getattr(self, f.name) * factor for f in fields(self)})


KUBERNETES: Final = Timings(
    node_lease_duration_s=40,
    node_lease_renew_s=10,
    node_status_update_s=10,
    node_status_report_s=300,
    node_monitor_period_s=5,
    node_monitor_grace_s=50,
    node_startup_grace_s=60,
    default_toleration_s=300,
    leader_lease_s=15,
    leader_renew_deadline_s=10,
    leader_retry_s=2,
    pod_resync_s=60,
    image_backoff_initial_s=10,
    image_backoff_max_s=300,
    crash_backoff_initial_s=10,
    crash_backoff_max_s=300,
    eviction_monitor_s=10,
    eviction_transition_s=300,
    static_pod_check_s=20,
    image_gc_s=300,
    image_gc_age_s=120,
    scheduler_backoff_initial_s=1,
    scheduler_backoff_max_s=10,
    scheduler_unschedulable_flush_s=300,
    proxy_sync_min_s=0.01,
    proxy_sync_max_s=30,
    metrics_resolution_s=15,
)

LAB: Final = KUBERNETES.scaled(0.1)

#: As configuration files and people name them.
TimingsName = Literal["kubernetes", "lab"]

TIMINGS: Final[dict[TimingsName, Timings]] = {"kubernetes": KUBERNETES, "lab": LAB}
