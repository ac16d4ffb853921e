"""How traffic leaves what was lost: endpoints, each node's proxy, and what clients felt."""

from __future__ import annotations

import math
from typing import Final

from componentbase.journal import Note
from podwire.timeline.notes import number, text, texts, tick_of
from podwire.timeline.search import Search
from podwire.timeline.timers import MIN_SYNC_PERIOD, Running

#: Removals of endpoints that come this close together are one wave.
_WAVE_S: Final = 1.0
_NAMES_MAX: Final = 5


def find_endpoints_removed(search: Search) -> None:
    """Find the first wave of removals; the chain follows the Service that lost most."""
    whose = search.pod or search.node
    changes: dict[str, list[Note]] = {}
    wave_end = math.inf
    for note in search.notes("endpoints-changed"):
        if note.tick > wave_end:
            break
        if any(search.lost(pod) for pod in texts(note, "removed")):
            changes.setdefault(note.subject, []).append(note)
            wave_end = note.tick + _WAVE_S
    if not changes:
        search.miss("endpoints-removed", f"nothing of {whose} left a Service's endpoints")
        search.miss("programmed", "no endpoint was removed")
        return
    search.service = max(changes, key=lambda name: (len(changes[name]), name))
    last = changes[search.service][-1]
    others = len(changes) - 1
    words = f"endpoints of {whose} removed from {search.service}"
    search.add(
        "endpoints-removed",
        last,
        words + (f" and {others} more" if others else ""),
        node=search.node,
        since="not-ready" if search.found("not-ready") else search.act.what,
        work="pods are marked not ready, their slice is written",
    )
    add_programmed(search, last, "programmed", "endpoints-removed")


def add_programmed(search: Search, change: Note, step: str, since: str) -> None:
    """Find when each node's proxy had this version of the slice, or a later one."""
    done: dict[str, Note] = {}
    for note in search.notes("programmed"):
        node = text(note, "node")
        struck = (
            node == search.node and search.node_is_struck
        )  # Its proxy is dead, or catches up later.
        if note.subject == change.subject and _covers(note, change) and not struck:
            done.setdefault(node, note)
    for node, note in sorted(done.items(), key=lambda item: item[1].tick):
        search.add(
            step,
            note,
            f"{node} programmed",
            key=f"{step} {node}",
            node=node,
            since=since,
            timers=(Running(MIN_SYNC_PERIOD, search.timings.proxy_sync_min_s, at_most=True),),
            work="the watch tells kube-proxy, the datapath acknowledges",
        )
    late = [
        node
        for node in search.proxies
        if node not in done and not (node == search.node and search.node_is_struck)
    ]
    if late:
        more = f" and {len(late) - _NAMES_MAX} more" if len(late) > _NAMES_MAX else ""
        search.miss(step, f"{', '.join(late[:_NAMES_MAX])}{more} noted no programming of it")
    elif not done:
        search.miss(step, "no kube-proxy noted it")


def find_failures(search: Search) -> None:
    """Find what clients felt: the first and the last request that failed since the act."""
    began = sorted(_failures(search, "first-failure"), key=_moment)
    first = began[0] if began else None
    # Another outage that began later is another story.
    until = began[1][0] if len(began) > 1 else math.inf
    ended = [one for one in _failures(search, "last-failure") if one[0] < until]
    last = max(ended, key=_moment, default=None)
    if first is not None:
        _add_failure(search, "first", *first)
    if last is not None:
        _add_failure(search, "last", *last)
    elif first is not None:
        search.miss("last-failure", "the failures had not ended when the journal was read")
    else:
        ran = any(search.notes("load-started", "load-ended", "backend-served"))
        why = "no request failed" if ran else "no load was noted while this happened"
        search.miss("last-failure", why)


def _failures(search: Search, what: str) -> list[tuple[float, Note]]:
    found = [(felt_at(note, "sent_at"), note) for note in search.notes(what)]
    return [(tick, note) for tick, note in found if tick >= search.act.tick]


def _moment(felt: tuple[float, Note]) -> float:
    return felt[0]


def _add_failure(search: Search, which: str, tick: float, note: Note) -> None:
    error = text(note, "error")
    words = f"{which} failed request was sent" + (f" ({error})" if error else "")
    search.add(f"{which}-failure", note, words, tick=tick, outside=True)


def felt_at(note: Note, when: str) -> float:
    """Return the moment that a client's note tells by *when*: the note itself comes later."""
    at = number(note, when)
    return note.tick if at is None else min(tick_of(note, at), note.tick)


def _covers(done: Note, change: Note) -> bool:
    """Return whether *done* is about *change*'s version of the slice, or a later one."""
    if text(done, "slice") != text(change, "slice"):
        return False
    versions = (text(done, "resource_version"), text(change, "resource_version"))
    if all(version.isdecimal() for version in versions):
        return int(versions[0]) >= int(versions[1])
    return versions[0] == versions[1]
