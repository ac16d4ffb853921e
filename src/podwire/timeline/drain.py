"""How a node is drained: what its budgets refused, how its last pod went, and who took its place.

All evictions are asked for at once and each pod goes in its own time; the chain follows the one
that stopped last, since until then the drain has not ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from componentbase.journal import Note
from podwire.timeline.notes import number, text, texts
from podwire.timeline.replacement import find_successor
from podwire.timeline.search import Search
from podwire.timeline.timers import TERMINATION_GRACE, Running
from podwire.timeline.traffic import add_programmed

_ASKED: Final = "its eviction is asked for"


def find_drain(search: Search) -> None:
    """Find the evictions since the node was cordoned, and what came of the last."""
    evicted = [note for note in search.notes("api-evicted") if text(note, "node") == search.node]
    if not evicted:
        _find_refusals(search, "")
        search.miss("api-evicted", f"no pod of {search.node} was evicted")
        return
    last = _last_to_stop(search, evicted)
    refused = _find_refusals(search, last.subject)
    count = f" (of {len(evicted)})" if len(evicted) > 1 else ""
    search.add(
        "api-evicted",
        last,
        f"{_name(last.subject)} evicted{count}",
        node=search.node,
        since="eviction-refused" if refused else search.act.what,
        work=f"asked for again, until {text(last, 'budget')} allows it" if refused else _ASKED,
        outside=True,
    )
    _find_traffic_leaves(search, last.subject)
    _find_end(search, last.subject)
    find_successor(search, last)


def _last_to_stop(search: Search, evicted: Sequence[Note]) -> Note:
    """Return the eviction of the pod that stopped last; of one that still runs, if one does."""
    stopped = {note.subject: note.tick for note in search.notes("pod-stopped")}
    return max(evicted, key=lambda note: (stopped.get(note.subject, search.end), note.tick))


def _find_refusals(search: Search, pod: str) -> bool:
    """Find what a budget refused to *pod*, or to any of the node; tell whether it did."""
    refused = [
        note
        for note in search.notes("eviction-refused")
        if (note.subject == pod if pod else text(note, "node") == search.node)
    ]
    if not refused:
        return False
    count = f", {len(refused)} times" if len(refused) > 1 else ""
    why = text(refused[0], "why").rstrip(".")
    search.add(
        "eviction-refused",
        refused[0],
        f"{_name(refused[0].subject)} not evicted{count}: {why}",
        node=search.node,
        since=search.act.what,
        work=_ASKED,
        outside=True,
    )
    return True


def _find_traffic_leaves(search: Search, pod: str) -> None:
    changes = [n for n in search.notes("endpoints-changed") if pod in texts(n, "removed")]
    if not changes:
        search.miss("endpoints-removed", f"no Service listed {_name(pod)} as ready")
        return
    change = changes[0]
    search.service = change.subject
    search.add(
        "endpoints-removed",
        change,
        f"{_name(pod)} gets nobody new from {change.subject}",
        node=search.node,
        since="api-evicted",
        work="the pod is terminating, its slice is written",
    )
    add_programmed(search, change, "programmed", "endpoints-removed")


def _find_end(search: Search, pod: str) -> None:
    stopping, stopped = search.first("pod-stopping", pod), search.first("pod-stopped", pod)
    if stopping is None:
        search.miss("pod-stopped", f"the kubelet has not begun to stop {_name(pod)}")
        return
    grace_s = number(stopping, "grace_s")
    search.add(
        "pod-stopping",
        stopping,
        f"{_name(pod)} is stopped",
        node=search.node,
        since="api-evicted",
        work="the kubelet sees the deletion",
    )
    if stopped is None:
        search.miss("pod-stopped", f"{_name(pod)} has not ended yet")
        return
    search.add(
        "pod-stopped",
        stopped,
        f"{_name(pod)} has stopped",
        node=search.node,
        since="pod-stopping",
        timers=() if grace_s is None else (Running(TERMINATION_GRACE, grace_s, at_most=True),),
        work="preStop hooks, then SIGTERM, then what the program still does",
    )


def _name(pod: str) -> str:
    return pod.rpartition("/")[2]
