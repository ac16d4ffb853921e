"""How a node is lost: its last heartbeat, NotReady, the taint that evicts."""

from __future__ import annotations

from typing import Final

from componentbase.journal import Note
from podwire.timeline.notes import number, text, tick_of
from podwire.timeline.search import Search
from podwire.timeline.timers import (
    EVICTION_RATE,
    GRACE_PERIOD,
    MONITOR_PERIOD,
    Running,
    eviction_interval_s,
)

_NO_EXECUTE: Final = ":NoExecute"
_PREFIX: Final = "node.kubernetes.io/"


def find_loss(search: Search) -> None:
    """Find how the cluster noticed."""
    lost = search.first("not-ready", search.node)
    if lost is None:
        search.miss("not-ready", _why_not_lost(search))
        search.miss("tainted", "only a node that is NotReady is tainted")
        return
    _add_heartbeat(search, lost)
    grace_s = number(lost, "grace_s") or search.timings.node_monitor_grace_s
    period_s = number(lost, "monitor_period_s") or search.timings.node_monitor_period_s
    status = text(lost, "status") or "Unknown"
    by_itself = status == "False"  # The kubelet said so: no timer ran.
    search.add(
        "not-ready",
        lost,
        f"{search.node} NotReady (Ready={status})",
        node=search.node,
        since="last-heartbeat",
        timers=()
        if by_itself
        else (Running(GRACE_PERIOD, grace_s), Running(MONITOR_PERIOD, period_s, at_most=True)),
        work="the Node's status is written",
    )
    _find_taint(search)


def _add_heartbeat(search: Search, lost: Note) -> None:
    """The controller looks once a period: it may see the last heartbeat after the act."""
    heartbeat_at = number(lost, "last_heartbeat_at")
    if heartbeat_at is None:
        search.miss("last-heartbeat", "the note of NotReady does not tell when it was")
        return
    period_s = number(lost, "monitor_period_s") or search.timings.node_monitor_period_s
    tick = min(tick_of(lost, heartbeat_at), lost.tick)
    late = tick > search.act.tick and search.act is not lost
    search.add(
        "last-heartbeat",
        lost,
        f"last heartbeat of {search.node} seen",
        tick=tick,
        node=search.node,
        since=search.act.what if late else "",
        timers=(Running(MONITOR_PERIOD, period_s, at_most=True),) if late else (),
        outside=True,
    )


def _why_not_lost(search: Search) -> str:
    grace_s = search.timings.node_monitor_grace_s
    back = search.first("start", search.node) or search.first("resumed", search.node)
    if back is not None and back.tick - search.act.tick < grace_s:
        after_s = back.tick - search.act.tick
        return f"{search.node} was back after {after_s:.1f} s; the grace period is {grace_s:g} s"
    return (
        f"not noted in the {search.seconds_seen:.1f} s since; "
        f"the grace period is {grace_s:g} s (--node-monitor-grace-period)"
    )


def _find_taint(search: Search) -> None:
    for note in search.notes("tainted"):
        taint = text(note, "taint")
        if note.subject == search.node and taint.endswith(_NO_EXECUTE):
            interval_s = eviction_interval_s(search.timings)
            others = _tainted_before(search, note, interval_s)
            search.add(
                "tainted",
                note,
                f"{search.node} tainted {taint.removeprefix(_PREFIX)}",
                node=search.node,
                since="not-ready",
                timers=(Running(EVICTION_RATE, interval_s, at_most=True),) if others else (),
                work="the taint is written",
            )
            return
    search.miss("tainted", "no NoExecute taint was noted: nothing is evicted yet")


def _tainted_before(search: Search, taint: Note, interval_s: float) -> bool:
    """Tell whether another node used up the eviction rate a moment before."""
    return any(
        note.subject != search.node
        and text(note, "taint").endswith(_NO_EXECUTE)
        and 0 <= taint.tick - note.tick <= interval_s
        for note in search.notes("tainted")
    )
