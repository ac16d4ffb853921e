"""Finds, among a cluster's notes, the moments of one failure: from the act to the recovery.

The pods that replace those of a lost node are many; the chain follows the one that was Ready last,
for until then the cluster has not recovered. A moment that cannot be found is missing, with the
reason as far as the notes tell one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from componentbase.journal import Note
from podwire.timeline.incidents import Incident
from podwire.timeline.notes import nodes_of_pods, number, text, texts, tick_of
from podwire.timeline.timers import (
    EVICTION_RATE,
    GRACE_PERIOD,
    LEASE_DURATION,
    MIN_SYNC_PERIOD,
    MONITOR_PERIOD,
    PROBE_DELAY,
    PROBE_PERIOD,
    RETRY_PERIOD,
    TOLERATION,
    Running,
    eviction_interval_s,
    timings_of,
)

#: Removals of endpoints that come this close together are one wave.
_WAVE_S: Final = 1.0
#: A note of an eviction may be written so long after others have seen the deletion.
_NOTED_LATE_S: Final = 0.5
_LEADERS: Final = ("scheduler", "controller-manager")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A step of the chain. What it followed from is the step *since*."""

    key: str  # unique in its chain: the step, and the node where several nodes take it
    step: str
    tick: float
    subject: str
    process: str
    text: str
    node: str = ""
    since: str = ""
    timers: tuple[Running, ...] = ()
    work: str = ""  # what happens besides timers
    outside: bool = False  # decided by people or clients: its gap needs no explanation


@dataclass(frozen=True, slots=True)
class Missing:
    """A step that the notes do not show."""

    step: str
    why: str


def find(
    notes: Sequence[Note], incident: Incident, end: float
) -> tuple[list[Moment], list[Missing]]:
    """Return the moments of *incident*, causes before effects, and what is missing."""
    search = _Search(notes, incident, end)
    search.add_act()
    if incident.node:
        search.find_loss()
        search.find_endpoints_removed()
        search.find_failures()
        search.find_replacement()
    else:
        search.find_leader()
    search.find_return()
    return search.moments, search.missing


class _Search:
    """The notes of one incident, and what was found in them so far."""

    def __init__(self, notes: Sequence[Note], incident: Incident, end: float) -> None:
        self.moments: list[Moment] = []
        self.missing: list[Missing] = []
        act = incident.note
        boot = [note for note in notes if note.boot == act.boot]
        self._act, self._node = act, incident.node
        self._after = [note for note in boot if act.tick <= note.tick < end]
        self._places = nodes_of_pods(boot)
        self._timings = timings_of(boot)
        self._proxies = dict.fromkeys(
            node for note in boot if note.what == "programmed" and (node := text(note, "node"))
        )
        self._service = ""

    # --- pieces -------------------------------------------------------------------------------

    def _notes(self, *whats: str) -> Iterable[Note]:
        return (note for note in self._after if note.what in whats)

    def _first(self, what: str, subject: str) -> Note | None:
        return next((note for note in self._notes(what) if note.subject == subject), None)

    def _found(self, key: str) -> bool:
        return any(moment.key == key for moment in self.moments)

    def _add(self, step: str, note: Note, words: str, **more: object) -> None:
        fields: dict[str, object] = {
            "key": step,
            "tick": note.tick,
            "subject": note.subject,
            "process": note.process,
            **more,
        }
        self.moments.append(Moment(step=step, text=words, **fields))  # type: ignore[arg-type]

    def _miss(self, step: str, why: str) -> None:
        self.missing.append(Missing(step, why))

    @property
    def _seconds_seen(self) -> float:
        return self._after[-1].tick - self._act.tick if self._after else 0.0

    # --- the node is lost ---------------------------------------------------------------------

    def add_act(self) -> None:
        act = self._act
        words = f"{act.subject} {act.what.replace('-', ' ')}"
        if act.what == "not-ready":
            return  # Nobody acted: the chain begins with what was noticed.
        self._add(act.what, act, words, node=self._node, outside=True)

    def find_loss(self) -> None:
        lost = self._first("not-ready", self._node)
        if lost is None:
            self._miss("not-ready", self._why_not_lost())
            self._miss("tainted", "only a node that is NotReady is tainted")
            return
        self._add_heartbeat(lost)
        grace_s = number(lost, "grace_s") or self._timings.node_monitor_grace_s
        period_s = number(lost, "monitor_period_s") or self._timings.node_monitor_period_s
        status = text(lost, "status") or "Unknown"
        by_itself = status == "False"  # The kubelet said so: no timer ran.
        self._add(
            "not-ready",
            lost,
            f"{self._node} NotReady (Ready={status})",
            node=self._node,
            since="last-heartbeat",
            timers=()
            if by_itself
            else (Running(GRACE_PERIOD, grace_s), Running(MONITOR_PERIOD, period_s, at_most=True)),
            work="the Node's status is written",
        )
        self._find_taint()

    def _add_heartbeat(self, lost: Note) -> None:
        """The controller looks once a period: it may see the last heartbeat after the act."""
        heartbeat_at = number(lost, "last_heartbeat_at")
        if heartbeat_at is None:
            self._miss("last-heartbeat", "the note of NotReady does not tell when it was")
            return
        period_s = number(lost, "monitor_period_s") or self._timings.node_monitor_period_s
        tick = min(tick_of(lost, heartbeat_at), lost.tick)
        late = tick > self._act.tick and self._act is not lost
        self._add(
            "last-heartbeat",
            lost,
            f"last heartbeat of {self._node} seen",
            tick=tick,
            node=self._node,
            since=self._act.what if late else "",
            timers=(Running(MONITOR_PERIOD, period_s, at_most=True),) if late else (),
            outside=True,
        )

    def _why_not_lost(self) -> str:
        grace_s = self._timings.node_monitor_grace_s
        back = self._first("start", self._node) or self._first("resumed", self._node)
        if back is not None and back.tick - self._act.tick < grace_s:
            after_s = back.tick - self._act.tick
            return f"{self._node} was back after {after_s:.1f} s; the grace period is {grace_s:g} s"
        return (
            f"not noted in the {self._seconds_seen:.1f} s since; "
            f"the grace period is {grace_s:g} s (--node-monitor-grace-period)"
        )

    def _find_taint(self) -> None:
        for note in self._notes("tainted"):
            taint = text(note, "taint")
            if note.subject == self._node and taint.endswith(":NoExecute"):
                interval_s = eviction_interval_s(self._timings)
                others = self._tainted_before(note, interval_s)
                self._add(
                    "tainted",
                    note,
                    f"{self._node} tainted {taint}",
                    node=self._node,
                    since="not-ready",
                    timers=(Running(EVICTION_RATE, interval_s, at_most=True),) if others else (),
                    work="the taint is written",
                )
                return
        self._miss("tainted", "no NoExecute taint was noted: nothing is evicted yet")

    def _tainted_before(self, taint: Note, interval_s: float) -> bool:
        """Tell whether another node used up the eviction rate a moment before."""
        return any(
            note.subject != self._node
            and text(note, "taint").endswith(":NoExecute")
            and 0 <= taint.tick - note.tick <= interval_s
            for note in self._notes("tainted")
        )

    # --- traffic leaves it --------------------------------------------------------------------

    def find_endpoints_removed(self) -> None:
        changes: dict[str, list[Note]] = {}
        wave_end = math.inf
        for note in self._notes("endpoints-changed"):
            if note.tick > wave_end:
                break
            if any(self._places.get(pod) == self._node for pod in texts(note, "removed")):
                changes.setdefault(note.subject, []).append(note)
                wave_end = note.tick + _WAVE_S
        if not changes:
            self._miss("endpoints-removed", f"no pod of {self._node} left a Service's endpoints")
            self._miss("programmed", "no endpoint was removed")
            return
        self._service = max(changes, key=lambda name: (len(changes[name]), name))
        last = changes[self._service][-1]
        others = len(changes) - 1
        words = f"endpoints of {self._node} removed from {self._service}"
        self._add(
            "endpoints-removed",
            last,
            words + (f" and {others} more" if others else ""),
            node=self._node,
            since="not-ready" if self._found("not-ready") else self._act.what,
            work="pods are marked not ready, their slice is written",
        )
        self._add_programmed(last, "programmed", "endpoints-removed")

    def _add_programmed(self, change: Note, step: str, since: str) -> None:
        """Find when each node's proxy had this version of the slice, or a later one."""
        done: dict[str, Note] = {}
        for note in self._notes("programmed"):
            if note.subject == change.subject and _covers(note, change):
                done.setdefault(text(note, "node"), note)
        for node, note in sorted(done.items(), key=lambda item: item[1].tick):
            self._add(
                step,
                note,
                f"{node} programmed",
                key=f"{step} {node}",
                node=node,
                since=since,
                timers=(Running(MIN_SYNC_PERIOD, self._timings.proxy_sync_min_s, at_most=True),),
                work="the watch tells kube-proxy, the datapath acknowledges",
            )
        late = [node for node in self._proxies if node not in done and node != self._node]
        if late:
            self._miss(step, f"{', '.join(late)} noted no programming of it")
        elif not done:
            self._miss(step, "no kube-proxy noted it")

    # --- what clients felt --------------------------------------------------------------------

    def find_failures(self) -> None:
        failures = sorted(
            ((self._felt_at(note), note) for note in self._notes("first-failure", "last-failure")),
            key=lambda item: item[0],
        )
        failures = [item for item in failures if item[0] >= self._act.tick]
        if not failures:
            ran = any(self._notes("load-started", "load-ended", "backend-served"))
            why = "no request failed" if ran else "no load was noted while this happened"
            self._miss("last-failure", why)
            return
        for step, (tick, note) in (("first-failure", failures[0]), ("last-failure", failures[-1])):
            if step == "last-failure" and note.what == "first-failure":
                self._miss(step, "the failures had not ended when the journal was read")
                return
            error = text(note, "error")
            words = f"{step.split('-', maxsplit=1)[0]} failed request was sent"
            self._add(step, note, words + (f" ({error})" if error else ""), tick=tick, outside=True)

    @staticmethod
    def _felt_at(note: Note) -> float:
        """Return when the failed request was sent: the note of the last one comes later."""
        sent_at = number(note, "sent_at")
        return note.tick if sent_at is None else min(tick_of(note, sent_at), note.tick)

    # --- the pods come back elsewhere ---------------------------------------------------------

    def find_replacement(self) -> None:
        evicted = [note for note in self._notes("evicted") if text(note, "node") == self._node]
        if not evicted:
            self._miss("evicted", self._why_not_evicted())
            self._miss("pod-created", "no pod was evicted")
            return
        created = self._created_for(evicted)
        pod = self._slowest([note.subject for note in created])
        made = next((note for note in created if note.subject == pod), None)
        last = evicted[-1] if made is None else _eviction_behind(made, evicted)
        tolerated_s = number(last, "toleration_s") or 0.0
        count = f" (of {len(evicted)})" if len(evicted) > 1 else ""
        self._add(
            "evicted",
            last,
            f"{last.subject} evicted{count}",
            node=self._node,
            since="tainted",
            timers=(Running(TOLERATION, tolerated_s),),
            work="the pod is deleted",
        )
        if made is None:
            self._miss("pod-created", "no controller has made a pod in its place")
            return
        self._add(
            "pod-created",
            made,
            f"{pod} created by {text(made, 'owner')}",
            since="evicted",
            work="the controller sees the deletion and creates",
        )
        self._follow_pod(pod)

    def _why_not_evicted(self) -> str:
        if not self._found("tainted"):
            return "the node has no NoExecute taint"
        if self._node not in self._places.values():
            return f"no pod ran on {self._node}"
        return "the tolerations (tolerationSeconds) of its pods have not run out"

    def _created_for(self, evicted: Sequence[Note]) -> list[Note]:
        """Return the pods that were made in place of the *evicted*: as many of each owner."""
        wanted: dict[str, int] = {}
        found: list[Note] = []
        earliest = evicted[0].tick - _NOTED_LATE_S
        for note in self._notes("pod-created"):
            owner = _owner_prefix(note)
            wanted.setdefault(owner, sum(e.subject.startswith(owner) for e in evicted))
            if note.tick >= earliest and wanted[owner] > 0:
                wanted[owner] -= 1
                found.append(note)
        return found

    def _slowest(self, pods: Sequence[str]) -> str:
        """Return the pod that is Ready last; before one is, the first that was made."""
        ready = [note.subject for note in self._notes("pod-ready") if note.subject in pods]
        return ready[-1] if ready else next(iter(pods), "")

    def _follow_pod(self, pod: str) -> None:
        scheduled = self._first("scheduled", pod)
        if scheduled is None:
            self._miss("scheduled", f"{pod} has no node yet")
            return
        node = text(scheduled, "node")
        self._add(
            "scheduled",
            scheduled,
            f"{pod} scheduled to {node}",
            node=node,
            since="pod-created",
            work="the scheduler decides and binds",
        )
        started = self._first("pod-started", pod)
        if started is None:
            self._miss("pod-started", f"the containers of {pod} do not all run yet")
            return
        self._add(
            "pod-started",
            started,
            f"{pod} started",
            node=node,
            since="scheduled",
            work="address, sandbox and containers are made",
        )
        self._follow_readiness(pod, node, started)

    def _follow_readiness(self, pod: str, node: str, started: Note) -> None:
        ready = self._first("pod-ready", pod)
        if ready is None:
            self._miss("pod-ready", f"{pod} is not Ready yet")
            return
        delay_s, period_s = number(started, "probe_delay_s"), number(started, "probe_period_s")
        timers = [] if not delay_s else [Running(PROBE_DELAY, delay_s)]
        if period_s:
            timers.append(Running(PROBE_PERIOD, period_s, at_most=True))
        self._add(
            "pod-ready",
            ready,
            f"{pod} Ready",
            node=node,
            since="pod-started",
            timers=tuple(timers),
            work="the probe succeeds, the status is written",
        )
        self._follow_traffic(pod)

    def _follow_traffic(self, pod: str) -> None:
        changes = [n for n in self._notes("endpoints-changed") if pod in texts(n, "added")]
        if not changes:
            self._miss("endpoint-added", f"no Service lists {pod}")
            return
        ours = [note for note in changes if note.subject == self._service]
        change = (ours or changes)[0]
        self._add(
            "endpoint-added",
            change,
            f"{pod} added to {change.subject}",
            since="pod-ready",
            work="the slice is written",
        )
        self._add_programmed(change, "programmed-new", "endpoint-added")
        name = pod.rpartition("/")[2]
        for note in self._notes("backend-served"):
            if text(note, "backend") == name:
                words = f"{pod} served its first request"
                since = "endpoint-added"
                self._add("first-served", note, words, since=since, outside=True)
                return
        ran = any(self._notes("backend-served", "last-failure", "load-ended"))
        why = f"{pod} has served none" if ran else "no load was noted while this happened"
        self._miss("first-served", why)

    # --- the control plane, and coming back ---------------------------------------------------

    def find_leader(self) -> None:
        component = next((c for c in _LEADERS if self._act.subject.startswith(c)), "")
        if not component:
            return
        for note in self._notes("leading"):
            if note.process.startswith(component):
                timings = self._timings
                self._add(
                    "leading",
                    note,
                    f"{note.process} leads",
                    since=self._act.what,
                    timers=(
                        Running(LEASE_DURATION, timings.leader_lease_s, at_most=True),
                        Running(RETRY_PERIOD, timings.leader_retry_s, at_most=True),
                    ),
                    work="the Lease is taken, caches are filled",
                )
                return
        self._miss("leading", f"no {component} has taken the lead")

    def find_return(self) -> None:
        """Note that it was started, resumed or healed, where it was."""
        subject = self._act.subject
        for what in ("start", "resumed", "fault-healed"):
            note = self._first(what, subject)
            if note is not None:
                self._add(what, note, f"{subject} {what.replace('-', ' ')}", outside=True)
        back = self._first("ready-again", self._node) if self._node else None
        if back is not None:
            words = f"{self._node} Ready again"
            self._add("ready-again", back, words, node=self._node, outside=True)


def _covers(done: Note, change: Note) -> bool:
    """Return whether *done* is about *change*'s version of the slice, or a later one."""
    if text(done, "slice") != text(change, "slice"):
        return False
    versions = (text(done, "resource_version"), text(change, "resource_version"))
    if all(version.isdecimal() for version in versions):
        return int(versions[0]) >= int(versions[1])
    return versions[0] == versions[1]


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
