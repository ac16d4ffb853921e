"""Faults that a person puts into the API server: slow answers, refusals, watches that break.

A table of entries, each for a user, a verb and a resource; which of several requests an entry hits
is chance, from a seed, so that a scenario can be played again. Administrators (system:masters) and
the paths of health are hit only by an entry that names them: the hand that broke it must be able
to heal it, and a balancer is not misled by accident. There is no such thing upstream; a proxy with
faults in front of an API server does the same (toxiproxy, Envoy's fault filter).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from controlplane.apiserver.authn import MASTERS, User
from controlplane.apiserver.request_info import RequestInfo
from kubeapi.status import StatusError, internal, too_many_requests

ANY: Final = "*"
ENTRIES_MAX: Final = 100
LATENCY_MAX_S: Final = 60.0
#: A watch is told by no other verb.
WATCH: Final = "watch"
VERBS: Final = (
    ANY,
    "get",
    "list",
    WATCH,
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
)
_HEALTH: Final = ("/healthz", "/livez", "/readyz")
_UNTOUCHED: Final = (*_HEALTH, "/version")
_RETRY_AFTER_S: Final = 1


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry. *resource* is a plural (`pods`, or only `pods/status`) or the path of health."""

    id: str
    user: str = ANY
    verb: str = ANY
    resource: str = ANY
    latency_s: float = 0.0
    status: Literal[0, 409, 429, 500] = 0
    share: float = 1.0
    drop_watches: bool = False

    def complaint(self) -> str:
        """Return what makes no sense about this entry; empty when it does."""
        if not self.id or not self.user or not self.resource:
            return "id, user and resource must not be empty"
        if self.verb not in VERBS:
            return f"verb {self.verb!r} is none of {', '.join(VERBS)}"
        if not 0 <= self.latency_s <= LATENCY_MAX_S:
            return f"latency_s {self.latency_s:g} is not between 0 and {LATENCY_MAX_S:g}"
        if not 0 < self.share <= 1:
            return f"share {self.share:g} is not above 0 and at most 1"
        if self.drop_watches and self.verb not in (ANY, WATCH):
            return f"drop_watches is about watches; verb {self.verb!r} never is one"
        if not (self.latency_s or self.status or self.drop_watches):
            return "it does nothing: give latency_s, status or drop_watches"
        return ""

    def concerns(self, user: User, info: RequestInfo) -> bool:
        """Tell whether a request is one of those that this entry may hit."""
        if self.user != user.name and (self.user != ANY or MASTERS in user.groups):
            return False
        if self.verb not in (ANY, info.verb):
            return False
        if f"/{info.path[1:].partition('/')[0]}" in _UNTOUCHED:
            path = info.path.rstrip("/")
            return self.resource == path and path.startswith(_HEALTH)
        whole = f"{info.resource}/{info.subresource}"
        return self.resource in (ANY, info.resource, whole)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to one request: it waits, and then is refused, or its watch is cut."""

    latency_s: float = 0.0
    refusal: StatusError | None = None
    cut: bool = False


_NOTHING: Final = Verdict()


class InvalidFault(Exception):
    """An entry makes no sense; the text says why."""


class ApiFaults:
    """The table. While it is empty `active` is False and nobody asks further."""

    def __init__(self) -> None:
        self.active = False
        self._entries: dict[str, Fault] = {}
        self._hits: dict[str, int] = {}
        self._rng = random.Random(0)

    def replace(self, entries: object, seed: int) -> bool:
        """Let *entries* be the table; tell whether that changed it; raises InvalidFault.

        An entry that stays as it was keeps its hits. Chance begins anew when anything changed.
        """
        try:
            faults = msgspec.convert(entries, list[Fault])
        except msgspec.ValidationError as error:
            raise InvalidFault(f"entries: {error}") from None
        if len(faults) > ENTRIES_MAX:
            raise InvalidFault(f"{len(faults)} entries are more than {ENTRIES_MAX}")
        made: dict[str, Fault] = {}
        for fault in faults:
            if complaint := fault.complaint():
                raise InvalidFault(f"entry {fault.id!r}: {complaint}")
            if fault.id in made:
                raise InvalidFault(f"two entries have the id {fault.id!r}")
            made[fault.id] = fault
        if made == self._entries:
            return False
        before, hits = self._entries, self._hits
        self._hits = {i: hits[i] if before.get(i) == fault else 0 for i, fault in made.items()}
        self._entries, self._rng = made, random.Random(seed)
        self.active = bool(made)
        return True

    def entries(self) -> Sequence[tuple[Fault, int]]:
        """Return every entry and how many requests it has hit."""
        return [(fault, self._hits[fault.id]) for fault in self._entries.values()]

    def judge(self, user: User, info: RequestInfo) -> Verdict:
        """Decide about one request, and count what it is hit by.

        Latencies add up; the first refusal counts.
        """
        verdict = _NOTHING
        for fault in self._entries.values():
            if not fault.concerns(user, info) or self._rng.random() >= fault.share:
                continue
            cut = fault.drop_watches and info.verb == WATCH
            if not (cut or fault.latency_s or fault.status):
                continue
            self._hits[fault.id] += 1
            verdict = Verdict(
                verdict.latency_s + fault.latency_s,
                verdict.refusal or _refusal(fault, info),
                verdict.cut or cut,
            )
        return verdict

    def cuts(self, user: User, info: RequestInfo) -> bool:
        """Decide about a watch that is open while the table changes, and count that."""
        for fault in self._entries.values():
            if not fault.drop_watches or not fault.concerns(user, info):
                continue
            if self._rng.random() < fault.share:
                self._hits[fault.id] += 1
                return True
        return False


def _refusal(fault: Fault, info: RequestInfo) -> StatusError | None:
    why = f"injected by API fault {fault.id}"
    match fault.status:
        case 409:
            what = f'{info.resource} "{info.name}"' if info.name else info.resource or info.path
            message = f"Operation cannot be fulfilled on {what}: {why}"
            details = {"name": info.name, "group": info.group, "kind": info.resource}
            return StatusError(409, "Conflict", message, {k: v for k, v in details.items() if v})
        case 429:
            return too_many_requests(why, retry_after_s=_RETRY_AFTER_S)
        case 500:
            return internal(why)
    return None
