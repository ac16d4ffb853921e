"""PrioritySort: pods of higher priority first, of equal ones those that wait longer."""

from __future__ import annotations

from controlplane.scheduler.pod_info import PodInfo


class PrioritySort:
    """Orders the queue."""

    name = "PrioritySort"

    def sort_key(self, pod: PodInfo, added_at: float) -> tuple[float, ...]:
        return (-pod.priority, added_at)
