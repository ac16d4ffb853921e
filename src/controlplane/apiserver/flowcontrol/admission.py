"""The shell around seats: requests wait here, and are counted (upstream: server/filters).

Watches, logs and streams, which last, take no seat. Who waits too long, or finds the queue full, is
told to come again (429, Retry-After). Numbers have upstream's names.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol

from controlplane.apiserver.authn import User
from controlplane.apiserver.flowcontrol.levels import (
    TIME_OUT,
    Level,
    Levels,
    Ticket,
    seated_schemas,
    waiting_schemas,
)
from controlplane.apiserver.flowcontrol.schemas import Schemas
from controlplane.apiserver.kinds.flowcontrol import mandatory
from controlplane.apiserver.request_info import RequestInfo, is_stream
from controlplane.apiserver.stored import StoredObject
from controlplane.apiserver.watch_cache import Change, WatchCache
from kubeapi.objects import Object, name_of
from kubeapi.resources import FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS, Resource
from kubeapi.status import too_many_requests

if TYPE_CHECKING:
    from prometheus_client import Metric

#: How long a request may wait for a seat (upstream: a quarter of the request's time).
WAIT_MAX_S: Final = 15.0
_RETRY_AFTER_S: Final = 1
_READS: Final = ("get", "list")
_SCHEMA_UID: Final = "X-Kubernetes-PF-FlowSchema-UID"
_LEVEL_UID: Final = "X-Kubernetes-PF-PriorityLevel-UID"
_NO_SEAT: Final = nullcontext()
_PREFIX: Final = "apiserver_flowcontrol_"
#: Numbers about a level, and about each schema of a level.
_GAUGES: Final[tuple[tuple[str, str, Callable[[Level], int]], ...]] = (
    ("nominal_limit_seats", "The level's part of the seats.", lambda level: level.nominal),
    ("lower_limit_seats", "What it does not lend.", lambda level: level.minimum),
    ("upper_limit_seats", "What it may have at most.", lambda level: level.maximum),
)
_FLOW_GAUGES: Final[tuple[tuple[str, str, Callable[[Level], Iterable[str]]], ...]] = (
    ("current_executing_requests", "Requests that are worked on.", seated_schemas),
    ("current_executing_seats", "Seats that they have: one each.", seated_schemas),
    ("current_inqueue_requests", "Requests that wait.", waiting_schemas),
)


class _Caches(Protocol):
    """The cacher, as far as this room needs it."""

    def cache(self, resource: Resource) -> WatchCache:
        """Return the cache of one resource."""


class _Following:
    """Keeps the objects of one kind, and tells when they change."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.objects: dict[str, Object] = {}
        self._changed = changed

    def reset(self, items: Iterable[StoredObject]) -> None:
        self.objects = {stored.key: stored.object for stored in items}
        self._changed()

    def apply(self, change: Change) -> None:
        if change.deleted:
            self.objects.pop(change.current.key, None)
        else:
            self.objects[change.current.key] = change.current.object
        self._changed()


def _with_mandatory(kind: str, stored: Mapping[str, Object]) -> dict[str, Object]:
    """Return objects by name: *stored* and the mandatory ones; before any is stored, all of ours.

    (Upstream makes up for mandatory objects that are missing, too.)
    """
    ours = {name_of(each): each for each in mandatory.objects(kind)}
    found = {name_of(each): each for each in stored.values()}
    kept = {name: each for name, each in ours.items() if mandatory.fixed_spec(kind, name)}
    return {**(kept if found else ours), **found}


def is_long_running(info: RequestInfo) -> bool:
    """Tell whether the request lasts as long as the client likes."""
    return info.verb == "watch" or info.subresource == "log" or is_stream(info)


class Seat:
    """What a request holds while it is worked on: a context."""

    def __init__(self, control: FlowControl, ticket: Ticket, *, reading: bool) -> None:
        self._control, self._ticket, self._reading = control, ticket, reading

    def __enter__(self) -> None:
        self._control.began(reading=self._reading)

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._control.ended(self._ticket, reading=self._reading)


class FlowControl:
    """Gives seats."""

    def __init__(self) -> None:
        self._schemas, self._levels = Schemas(), Levels()
        self._stored_schemas = _Following(self._changed)
        self._stored_levels = _Following(self._changed)
        self._is_old = True
        self.reads = self.writes = 0
        self._rejected: dict[tuple[str, str, str], int] = {}

    def follow(self, caches: _Caches) -> None:
        """Do as the objects in *caches* say, now and from now on."""
        caches.cache(FLOWSCHEMAS).follow(self._stored_schemas)
        caches.cache(PRIORITYLEVELCONFIGURATIONS).follow(self._stored_levels)

    def _changed(self) -> None:
        self._is_old = True

    def _renew(self) -> None:
        """Take the objects as they are now."""
        levels = _with_mandatory("PriorityLevelConfiguration", self._stored_levels.objects)
        schemas = _with_mandatory("FlowSchema", self._stored_schemas.objects)
        self._levels.replace(levels.values())
        self._schemas.replace(schemas.values(), levels)
        self._is_old = False

    async def seat(
        self, info: RequestInfo, user: User, told: dict[str, str]
    ) -> AbstractContextManager[None]:
        """Return a seat for a request, when there is one; raises StatusError 429.

        What the answer has to say of it, whichever it is, is put into *told*.
        """
        if is_long_running(info):
            return _NO_SEAT
        if self._is_old:
            self._renew()
        schema = self._schemas.of(info, user)
        ticket = self._levels.arrive(schema, schema.flow(info, user))
        told[_SCHEMA_UID], told[_LEVEL_UID] = schema.uid, ticket.level.uid
        if not ticket.seated:
            await self._wait(ticket)
        schema.dispatched += 1
        return Seat(self, ticket, reading=info.verb in _READS)

    async def _wait(self, ticket: Ticket) -> None:
        if not ticket.refusal:
            seated = asyncio.Event()
            ticket.on_seat = seated.set
            try:
                async with asyncio.timeout(WAIT_MAX_S):
                    await seated.wait()
                return
            except TimeoutError:
                ticket.refusal = TIME_OUT
                self._levels.leave(ticket)
            except asyncio.CancelledError:
                self._levels.leave(ticket)
                raise
        about = (ticket.level.name, ticket.schema.name, ticket.refusal)
        self._rejected[about] = self._rejected.get(about, 0) + 1
        raise too_many_requests(
            "Too many requests, please try again later.", retry_after_s=_RETRY_AFTER_S
        )

    def began(self, *, reading: bool) -> None:
        """Count a request that is worked on now."""
        if reading:
            self.reads += 1
        else:
            self.writes += 1

    def ended(self, ticket: Ticket, *, reading: bool) -> None:
        """Count it no longer, and give its seat to the next."""
        if reading:
            self.reads -= 1
        else:
            self.writes -= 1
        self._levels.leave(ticket)

    def collect(self) -> Iterator[Metric]:
        """Return the numbers, as Prometheus' client wants them."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        labels = ["priority_level", "flow_schema"]
        dispatched = CounterMetricFamily(
            f"{_PREFIX}dispatched_requests", "Requests that got a seat.", labels=labels
        )
        for schema in self._schemas:
            if schema.dispatched:
                dispatched.add_metric([schema.level, schema.name], schema.dispatched)
        rejected = CounterMetricFamily(
            f"{_PREFIX}rejected_requests", "Requests that got none.", labels=[*labels, "reason"]
        )
        for why, count in self._rejected.items():
            rejected.add_metric(why, count)
        yield from (dispatched, rejected)
        if self._is_old:
            self._renew()
        for name, help_text, of_level in _GAUGES:
            gauge = GaugeMetricFamily(f"{_PREFIX}{name}", help_text, labels=labels[:1])
            for level in self._levels:
                gauge.add_metric([level.name], of_level(level))
            yield gauge
        for name, help_text, schemas_of in _FLOW_GAUGES:
            gauge = GaugeMetricFamily(f"{_PREFIX}{name}", help_text, labels=labels)
            for level in self._levels:
                for name_of_schema, number in Counter(schemas_of(level)).items():
                    gauge.add_metric([level.name, name_of_schema], number)
            yield gauge
