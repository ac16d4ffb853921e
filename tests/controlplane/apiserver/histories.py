"""What several clients did to a few objects, and whether one order of events explains it all.

Revisions give every successful write its place, so nothing has to be searched for: the watch tells
the order, and each operation is held against it (porcupine and Jepsen's checkers find the order
themselves). An operation whose answer never came may have happened or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

ABSENT = ""


@dataclass
class Operation:
    """One request: between *begun* and *ended* it took effect, or did not."""

    kind: str  # create, update, delete, get, list
    name: str
    begun: float
    value: str = ABSENT  # What was to be written.
    expected: int = 0  # The revision that an update or delete insisted on.
    ended: float = inf
    code: int = 0  # 0: no answer came.
    revision: int = 0  # Of the answer.
    seen: str = ABSENT  # What a get or a refused write saw.
    items: dict[str, tuple[int, str]] = field(default_factory=dict)  # What a list saw.
    exact: int = 0  # The revision that a list asked for.


@dataclass(frozen=True)
class Event:
    """An event of a watch."""

    type: str
    name: str
    revision: int
    value: str


@dataclass(frozen=True)
class Version:
    """What a name held from one revision on; an absent one has no value."""

    revision: int
    value: str
    begun: float  # No write can have taken effect before it was asked for …
    ended: float  # … nor after it was acknowledged.


class Checker:
    """Judges a history by the events that a watch told, from before the first operation."""

    def __init__(self, operations: Iterable[Operation], events: list[Event]) -> None:
        self.operations, self.events = list(operations), events
        self.complaints: list[str] = []
        self.versions: dict[str, list[Version]] = {}

    def check(self) -> list[str]:
        """Return everything that no order explains."""
        self._check_order()
        self._check_writes()
        for operation in self.operations:
            if operation.kind == "list" and operation.code == 200:
                self._check_list(operation)
            elif operation.kind == "get" and operation.code in (200, 404):
                self._check_get(operation)
            elif operation.code in (404, 409):
                self._check_refusal(operation)
        return self.complaints

    def _wrong(self, about: object, why: str) -> None:
        self.complaints.append(f"{why}: {about}")

    def _check_order(self) -> None:
        """Revisions grow, and a name is added before it is modified or deleted."""
        held: dict[str, str] = {}
        last = 0
        for event in self.events:
            if event.revision <= last:
                self._wrong(event, f"told after revision {last}")
            last = event.revision
            if (event.name in held) is (event.type == "ADDED"):
                self._wrong(event, "impossible in what was told before")
            if event.type == "DELETED":
                if held.pop(event.name, None) != event.value:
                    self._wrong(event, "not what was deleted")
            else:
                held[event.name] = event.value

    def _check_writes(self) -> None:
        """Every acknowledged write was told once, and nothing else but those without an answer."""
        writes = [o for o in self.operations if o.kind in ("create", "update")]
        by_value = {o.value: o for o in writes}
        deletes = {(o.name, o.revision): o for o in self.operations if o.kind == "delete"}
        told: set[object] = set()
        for event in self.events:
            versions = self.versions.setdefault(event.name, [Version(0, ABSENT, 0, 0)])
            value = ABSENT if event.type == "DELETED" else event.value
            if event.type == "DELETED":
                operation = deletes.get((event.name, event.revision)) or self._lost_delete(
                    event, versions[-1]
                )
            else:
                operation = by_value.get(event.value)
            if operation is None or (operation.code >= 300) or id(operation) in told:
                self._wrong(event, "nobody wrote this, or it was told twice")
                begun, ended = 0.0, inf
            else:
                told.add(id(operation))
                begun, ended = operation.begun, operation.ended
                before = versions[-1]
                if operation.expected and operation.expected != before.revision:
                    self._wrong(operation, f"written over {before}")
                if operation.code and operation.revision != event.revision:
                    self._wrong(operation, f"acknowledged with another revision than {event}")
                if before.begun > ended:
                    self._wrong(operation, f"older than {before}, which was begun later")
            versions.append(Version(event.revision, value, begun, ended))
        for operation in self.operations:
            wrote = operation.kind in ("create", "update", "delete") and 200 <= operation.code < 300
            if wrote and id(operation) not in told:
                self._wrong(operation, "acknowledged and never told")

    def _lost_delete(self, event: Event, before: Version) -> Operation | None:
        """Return a deletion without an answer that *event* may be of.

        Of several, one that may have deleted *before*: others were lost without any effect.
        """
        lost = [
            operation
            for operation in self.operations
            if operation.kind == "delete" and operation.code == 0 and not operation.revision
            if operation.name == event.name
        ]
        fitting = [operation for operation in lost if operation.expected in (0, before.revision)]
        for operation in fitting or lost:
            operation.revision = event.revision
            return operation
        return None

    def _possible(self, operation: Operation) -> list[Version]:
        """Return the versions that somebody may have seen while *operation* lasted."""
        versions = self.versions.get(operation.name, [Version(0, ABSENT, 0, 0)])
        return [
            version
            for version, following in zip(versions, [*versions[1:], None], strict=True)
            if version.begun <= operation.ended
            and (following is None or following.ended >= operation.begun)
        ]

    def _check_get(self, operation: Operation) -> None:
        seen = [
            version
            for version in self._possible(operation)
            if version.value == operation.seen
            and (not operation.seen or version.revision == operation.revision)
        ]
        if not seen:
            self._wrong(operation, f"stale or invented; possible: {self._possible(operation)}")

    def _check_refusal(self, operation: Operation) -> None:
        """A refused write met something that stood against it."""
        possible = self._possible(operation)
        if operation.kind == "create" and operation.code == 409:
            against = [version for version in possible if version.value]
        elif operation.code == 404:
            against = [version for version in possible if not version.value]
        else:
            against = [version for version in possible if version.revision != operation.expected]
        if not against:
            self._wrong(operation, "refused without a reason")

    def _check_list(self, operation: Operation) -> None:
        if operation.exact and operation.revision != operation.exact:
            self._wrong(operation, "another revision than was asked for")
        state: dict[str, tuple[int, str]] = {}
        for event in self.events:
            if event.revision > operation.revision:
                break
            if event.type == "DELETED":
                state.pop(event.name, None)
            else:
                state[event.name] = event.revision, event.value
        if state != operation.items:
            self._wrong(operation, f"no state that there was; at that revision: {state}")
        for versions in self.versions.values():
            done = [v.revision for v in versions if v.ended < operation.begun]
            if not operation.exact and done and max(done) > operation.revision:
                self._wrong(operation, f"older than revision {max(done)}, acknowledged before")
