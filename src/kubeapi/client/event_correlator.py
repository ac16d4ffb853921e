"""Which occurrences become which Events (client-go: tools/record EventCorrelator).

Three rules, in this order. Many alike with different messages become one "combined" Event;
one that was told before is counted up instead of told again; and an object that causes too many
in a burst is silenced for a while. All memory is bounded: the oldest is forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, TypeVar

AGGREGATE_MAX: Final = 10  # different messages within …
AGGREGATE_INTERVAL_S: Final = 600.0
SPAM_BURST: Final = 25
SPAM_REFILL_S: Final = 300.0  # one more event for each of these
ENTRIES_MAX: Final = 4096
COMBINED: Final = "(combined from similar events): "


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened to an object."""

    namespace: str
    kind: str
    name: str
    uid: str
    api_version: str
    resource_version: str
    field_path: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str

    @property
    def subject(self) -> tuple[str, ...]:
        return (self.namespace, self.kind, self.name, self.uid, self.api_version)


@dataclass(frozen=True, slots=True)
class Create:
    """Tell this as a new Event."""

    name: str
    message: str


@dataclass(frozen=True, slots=True)
class CountUp:
    """The Event exists: it has happened again."""

    name: str
    message: str
    count: int


@dataclass(slots=True)
class _Told:
    name: str
    count: int


@dataclass(slots=True)
class _Similar:
    messages: dict[str, None] = field(default_factory=dict)
    last: float = 0.0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


V = TypeVar("V")


class _Bounded(Generic[V]):
    """A map that forgets what was used longest ago."""

    def __init__(self, entries_max: int) -> None:
        self._entries: OrderedDict[tuple[str, ...], V] = OrderedDict()
        self._entries_max = entries_max

    def get(self, key: tuple[str, ...]) -> V | None:
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: tuple[str, ...], value: V) -> V:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)
        return value


class EventCorrelator:
    """Decides for each occurrence: a new Event, a higher count, or silence."""

    def __init__(self, *, entries_max: int = ENTRIES_MAX) -> None:
        self._told: _Bounded[_Told] = _Bounded(entries_max)
        self._similar: _Bounded[_Similar] = _Bounded(entries_max)
        self._buckets: _Bounded[_Bucket] = _Bounded(entries_max)

    def correlate(self, it: Occurrence, unique: int, now: float) -> Create | CountUp | None:
        """Decide; *unique* makes the name of a new Event unlike all others (unix nanoseconds)."""
        message, key = self._aggregated(it, now)
        if not self._may_speak(it, now):
            return None
        told = self._told.get(key)
        if told is not None:
            told.count += 1
            return CountUp(told.name, message, told.count)
        name = f"{it.name}.{unique:x}"
        self._told.put(key, _Told(name, 1))
        return Create(name, message)

    def _aggregated(self, it: Occurrence, now: float) -> tuple[str, tuple[str, ...]]:
        """Return the message to tell, and under which key it counts."""
        group = (*it.subject, it.type, it.reason)
        similar = self._similar.get(group)
        if similar is None or now - similar.last > AGGREGATE_INTERVAL_S:
            similar = self._similar.put(group, _Similar())
        similar.last = now
        similar.messages[it.message] = None
        key = (*it.subject, it.field_path, it.type, it.reason)
        if len(similar.messages) < AGGREGATE_MAX:
            return it.message, (*key, it.message)
        # The set is kept just below the limit, so that it neither grows nor empties.
        del similar.messages[next(iter(similar.messages))]
        return COMBINED + it.message, (*key, "")

    def _may_speak(self, it: Occurrence, now: float) -> bool:
        bucket = self._buckets.get(it.subject)
        if bucket is None:
            bucket = self._buckets.put(it.subject, _Bucket(SPAM_BURST, now))
        bucket.tokens = min(SPAM_BURST, bucket.tokens + (now - bucket.at) / SPAM_REFILL_S)
        bucket.at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True
