"""Finds, among a cluster's notes, the moments of one failure: from the act to the recovery.

A moment that cannot be found is missing, with the reason as far as the notes tell one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from componentbase.journal import Note
from podwire.timeline.drain import find_drain
from podwire.timeline.incidents import CORDONED, Incident
from podwire.timeline.loss import find_loss
from podwire.timeline.replacement import find_replacement, follow_readiness
from podwire.timeline.search import Missing, Moment, Search
from podwire.timeline.timers import LEASE_DURATION, RETRY_PERIOD, Running
from podwire.timeline.traffic import find_endpoints_removed, find_failures

_RETURNS: Final = {
    "start": "is started again",
    "resumed": "is resumed",
    "fault-healed": "is healed",
    "uncordoned": "is uncordoned",
}
_LEADERS: Final = ("scheduler", "controller-manager")


def find(
    notes: Sequence[Note], incident: Incident, end: float
) -> tuple[list[Moment], list[Missing]]:
    """Return the moments of *incident*, causes before effects, and what is missing."""
    search = Search(notes, incident, end)
    _add_act(search)
    if search.pod:
        find_endpoints_removed(search)
        find_failures(search)
        _find_restart(search)
    elif search.act.what == CORDONED:
        find_drain(search)
        find_failures(search)
    elif search.node:
        find_loss(search)
        find_endpoints_removed(search)
        find_failures(search)
        find_replacement(search)
    else:
        _find_leader(search)
    _find_return(search)
    return search.moments, search.missing


def _add_act(search: Search) -> None:
    act = search.act
    if act.what != "not-ready":  # Else nobody acted: the chain begins with what was noticed.
        words = f"{act.subject} {act.what.replace('-', ' ')}"
        search.add(act.what, act, words, node=search.node, outside=True)


def _find_restart(search: Search) -> None:
    """Follow a pod that was killed alone: its kubelet starts it again."""
    lost = search.first("pod-not-ready", search.pod)
    if lost is not None:
        search.add(
            "pod-not-ready",
            lost,
            f"{search.pod} not Ready",
            node=search.node,
            since=search.act.what,
            work="the kubelet sees the end, the status is written",
        )
    started = search.first("pod-started", search.pod)
    if started is None:
        search.miss("pod-started", f"{search.pod} was not started again")
        return
    search.add(
        "pod-started",
        started,
        f"{search.pod} started again",
        node=search.node,
        since=search.act.what,
        work="sandbox and containers are made",
    )
    follow_readiness(search, search.pod, search.node, started)


def _find_leader(search: Search) -> None:
    component = next((c for c in _LEADERS if search.act.subject.startswith(c)), "")
    if not component:
        return
    for note in search.notes("leading"):
        if note.process.startswith(component):
            timings = search.timings
            search.add(
                "leading",
                note,
                f"{note.process} leads",
                since=search.act.what,
                timers=(
                    Running(LEASE_DURATION, timings.leader_lease_s, at_most=True),
                    Running(RETRY_PERIOD, timings.leader_retry_s, at_most=True),
                ),
                work="the Lease is taken, caches are filled",
            )
            return
    search.miss("leading", f"no {component} has taken the lead")


def _find_return(search: Search) -> None:
    """Note that it was started, resumed or healed, where it was."""
    subject = search.act.subject
    for what, words in _RETURNS.items():
        note = search.first(what, subject)
        if note is not None:
            search.add(what, note, f"{subject} {words}", outside=True)
    back = search.first("ready-again", search.node) if search.node else None
    if back is not None:
        words = f"{search.node} Ready again"
        search.add("ready-again", back, words, node=search.node, outside=True)
