"""How the pods of a lost node come back elsewhere, up to the first request that one serves.

There are many; the chain follows the one that was Ready last, for until then the cluster has not
recovered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from componentbase.journal import Note
from podwire.timeline.notes import number, text, texts
from podwire.timeline.search import Search
from podwire.timeline.timers import PROBE_DELAY, PROBE_PERIOD, TOLERATION, Running
from podwire.timeline.traffic import add_programmed, felt_at

#: A note of an eviction may be written so long after others have seen the deletion.
_NOTED_LATE_S: Final = 0.5


def find_replacement(search: Search) -> None:
    """Find the eviction and what came of it."""
    evicted = [note for note in search.notes("evicted") if text(note, "node") == search.node]
    if not evicted:
        search.miss("evicted", _why_not_evicted(search))
        search.miss("pod-created", "no pod was evicted")
        return
    made = _slowest_made(search, evicted)
    last = evicted[-1] if made is None else _eviction_behind(made, evicted)
    tolerated_s = number(last, "toleration_s") or 0.0
    count = f" (of {len(evicted)})" if len(evicted) > 1 else ""
    search.add(
        "evicted",
        last,
        f"{_name(last.subject)} evicted{count}",
        node=search.node,
        since="tainted",
        timers=(Running(TOLERATION, tolerated_s),),
        work="the pod is deleted",
    )
    _follow_made(search, made, "evicted")


def find_successor(search: Search, evicted: Note) -> None:
    """Find who came in the place of the one pod that was *evicted*."""
    for made in search.notes("pod-created"):
        in_time = made.tick >= evicted.tick - _NOTED_LATE_S
        if in_time and evicted.subject.startswith(_owner_prefix(made)):
            _follow_made(search, made, evicted.what)
            return
    _follow_made(search, None, evicted.what)


def _slowest_made(search: Search, evicted: Sequence[Note]) -> Note | None:
    created = _created_for(search, evicted)
    pod = _slowest(search, [note.subject for note in created])
    return next((note for note in created if note.subject == pod), None)


def _follow_made(search: Search, made: Note | None, since: str) -> None:
    if made is None:
        search.miss("pod-created", "no controller has made a pod in its place")
        return
    search.add(
        "pod-created",
        made,
        f"{_name(made.subject)} created",
        since=since,
        work="the controller sees the deletion and creates",
    )
    _follow_pod(search, made.subject)


def _why_not_evicted(search: Search) -> str:
    if not search.found("tainted"):
        return "the node has no NoExecute taint"
    if search.node not in search.places.values():
        return f"no pod ran on {search.node}"
    return "the tolerations (tolerationSeconds) of its pods have not run out"


def _created_for(search: Search, evicted: Sequence[Note]) -> list[Note]:
    """Return the pods that were made in place of the *evicted*: as many of each owner."""
    wanted: dict[str, int] = {}
    found: list[Note] = []
    earliest = evicted[0].tick - _NOTED_LATE_S
    for note in search.notes("pod-created"):
        owner = _owner_prefix(note)
        wanted.setdefault(owner, sum(e.subject.startswith(owner) for e in evicted))
        if note.tick >= earliest and wanted[owner] > 0:
            wanted[owner] -= 1
            found.append(note)
    return found


def _slowest(search: Search, pods: Sequence[str]) -> str:
    """Return the pod that is Ready last; before one is, the first that was made."""
    ready = [note.subject for note in search.notes("pod-ready") if note.subject in pods]
    return ready[-1] if ready else next(iter(pods), "")


def _follow_pod(search: Search, pod: str) -> None:
    scheduled = search.first("scheduled", pod)
    if scheduled is None:
        search.miss("scheduled", f"{pod} has no node yet")
        return
    node = text(scheduled, "node")
    search.add(
        "scheduled",
        scheduled,
        f"{_name(pod)} scheduled to {node}",
        node=node,
        since="pod-created",
        work="the scheduler decides and binds",
    )
    started = search.first("pod-started", pod)
    if started is None:
        search.miss("pod-started", f"the containers of {pod} do not all run yet")
        return
    search.add(
        "pod-started",
        started,
        f"{_name(pod)} started",
        node=node,
        since="scheduled",
        work="address, sandbox and containers are made",
    )
    follow_readiness(search, pod, node, started)


def follow_readiness(search: Search, pod: str, node: str, started: Note) -> None:
    """Find when *pod*, which has started, was Ready, and served."""
    ready = search.first("pod-ready", pod)
    if ready is None:
        search.miss("pod-ready", f"{pod} is not Ready yet")
        return
    delay_s, period_s = number(started, "probe_delay_s"), number(started, "probe_period_s")
    timers = [] if not delay_s else [Running(PROBE_DELAY, delay_s)]
    if period_s:
        timers.append(Running(PROBE_PERIOD, period_s, at_most=True))
    search.add(
        "pod-ready",
        ready,
        f"{_name(pod)} Ready",
        node=node,
        since="pod-started",
        timers=tuple(timers),
        work="the probe succeeds, the status is written",
    )
    _follow_traffic(search, pod)


def _follow_traffic(search: Search, pod: str) -> None:
    changes = [n for n in search.notes("endpoints-changed") if pod in texts(n, "added")]
    if not changes:
        search.miss("endpoint-added", f"no Service lists {pod}")
        return
    ours = [note for note in changes if note.subject == search.service]
    change = (ours or changes)[0]
    search.add(
        "endpoint-added",
        change,
        f"{_name(pod)} added to {change.subject}",
        since="pod-ready",
        work="the slice is written",
    )
    add_programmed(search, change, "programmed-new", "endpoint-added")
    for note in search.notes("backend-served"):
        if text(note, "backend") == _name(pod):
            search.add(
                "first-served",
                note,
                f"{_name(pod)} served its first request",
                tick=max(search.act.tick, felt_at(note, "seen_at")),
                since="endpoint-added",
                work="a request is sent to it, the load generator notes its answer",
                outside=True,
            )
            return
    ran = any(search.notes("backend-served", "last-failure", "load-ended"))
    why = f"{pod} has served none" if ran else "no load was noted while this happened"
    search.miss("first-served", why)


def _name(pod: str) -> str:
    """Return a pod's name without its namespace: a chain is about one application."""
    return pod.rpartition("/")[2]


def _owner_prefix(created: Note) -> str:
    """Return how the names of all pods of *created*'s owner begin."""
    namespace = created.subject.rpartition("/")[0]
    return f"{namespace}/{text(created, 'owner').rpartition('/')[2]}-"


def _eviction_behind(created: Note, evicted: Sequence[Note]) -> Note:
    """Return the eviction that *created* made good: the last of its owner's before it."""
    owner = _owner_prefix(created)
    same = [note for note in evicted if note.subject.startswith(owner)]
    before = [note for note in same if note.tick <= created.tick]
    return (before or same)[-1] if before else same[0]
