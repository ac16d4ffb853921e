"""The timers that make a failover last, by the names that Kubernetes gives them.

A timer's setting is read from the notes wherever they carry it; the rest follows from the set of
timings (`componentbase.timings`) whose grace period a note names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from componentbase.journal import Note
from componentbase.timings import KUBERNETES, LAB, TIMINGS, Timings
from podwire.timeline.notes import number

#: kube-proxy's minSyncPeriod, upstream's default in iptables and in nftables mode.
_MIN_SYNC_PERIOD_S: Final = 1.0
#: --node-eviction-rate 0.1: one node in ten seconds.
_EVICTION_INTERVAL_S: Final = 10.0
_PROBE_PERIOD_S: Final = 10.0
_TERMINATION_GRACE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Timer:
    """A setting of Kubernetes, and what upstream's is by default."""

    name: str
    default_s: float


LEASE_RENEWAL: Final = Timer("kubelet lease renewal", KUBERNETES.node_lease_renew_s)
GRACE_PERIOD: Final = Timer("--node-monitor-grace-period", KUBERNETES.node_monitor_grace_s)
MONITOR_PERIOD: Final = Timer("--node-monitor-period", KUBERNETES.node_monitor_period_s)
EVICTION_RATE: Final = Timer("--node-eviction-rate", _EVICTION_INTERVAL_S)
TOLERATION: Final = Timer("tolerationSeconds", KUBERNETES.default_toleration_s)
PROBE_DELAY: Final = Timer("readinessProbe initialDelaySeconds", 0.0)
PROBE_PERIOD: Final = Timer("readinessProbe periodSeconds", _PROBE_PERIOD_S)
TERMINATION_GRACE: Final = Timer("terminationGracePeriodSeconds", _TERMINATION_GRACE_S)
MIN_SYNC_PERIOD: Final = Timer("kube-proxy minSyncPeriod", _MIN_SYNC_PERIOD_S)
LEASE_DURATION: Final = Timer("--leader-elect-lease-duration", KUBERNETES.leader_lease_s)
RETRY_PERIOD: Final = Timer("--leader-elect-retry-period", KUBERNETES.leader_retry_s)


@dataclass(frozen=True, slots=True)
class Running:
    """A timer at work: it lasts *setting_s*, or, where only a bound is known, at most so long."""

    timer: Timer
    setting_s: float
    at_most: bool = False


def timings_of(notes: Iterable[Note]) -> Timings:
    """Return the timings of the cluster that wrote *notes*; the lab's when nothing tells."""
    for note in notes:
        grace_s = number(note, "grace_s")
        for timings in TIMINGS.values():
            if grace_s == timings.node_monitor_grace_s:
                return timings
    return LAB


def eviction_interval_s(timings: Timings) -> float:
    """Return the seconds between two nodes of a healthy zone that are tainted NoExecute."""
    return _EVICTION_INTERVAL_S * timings.node_monitor_grace_s / KUBERNETES.node_monitor_grace_s
