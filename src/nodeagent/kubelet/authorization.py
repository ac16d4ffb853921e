"""Who may ask the kubelet, as the API server says (upstream: pkg/kubelet/server/auth.go, webhook).

A bearer token is shown to the API server in a TokenReview; what its user, or the user of a client
certificate, may do is asked in a SubjectAccessReview about a subresource of the node. Answers are
remembered for upstream's times. The API server's own certificate and administrators' are not asked
about: a node that is cut off from its masters is still looked into.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from componentbase.clock import Clock
from kubeapi.client import Unreachable
from kubeapi.objects import Object
from kubeapi.resources import SUBJECTACCESSREVIEWS, TOKENREVIEWS, Resource
from kubeapi.status import StatusError

_TRUSTED_USER: Final = "system:kube-apiserver"
_TRUSTED_GROUP: Final = "system:masters"
AUTHENTICATED: Final = "system:authenticated"
_VERBS: Final[Mapping[str, str]] = {
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_SUBRESOURCES: Final[Mapping[str, str]] = {
    "stats": "stats",
    "metrics": "metrics",
    "logs": "log",
    "spec": "spec",
    "checkpoint": "checkpoint",
}
#: How long answers hold (upstream: the kubelet's authentication and authorization webhooks).
TOKEN_S: Final = 120.0
ALLOWED_S: Final = 300.0
DENIED_S: Final = 30.0
#: How many answers are remembered.
ANSWERS_MAX: Final = 1024

#: Creates a review and returns it answered; raises StatusError, Unreachable.
Ask = Callable[[Resource, Object], Awaitable[Object]]


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody who has said who he is."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""


def asker_of(subject: Iterable[tuple[str, str]]) -> Asker | None:
    """Return whom a certificate's subject names; None for nobody."""
    pairs = list(subject)
    names = [value for key, value in pairs if key == "commonName"]
    if not names:
        return None
    groups = [value for key, value in pairs if key == "organizationName"]
    return Asker(names[-1], (*groups, AUTHENTICATED))


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked: a verb on a subresource of the node."""

    verb: str
    subresource: str


def attributes(method: str, path: str) -> Attributes:
    """Return what a request asks for; whatever has no name of its own is `proxy`."""
    first = path.strip("/").partition("/")[0]
    return Attributes(_VERBS.get(method, "get"), _SUBRESOURCES.get(first, "proxy"))


class NotAuthenticated(Exception):
    """Nobody, or a token that the API server does not know."""


class Authorization:
    """Asks the API server, and remembers."""

    def __init__(self, ask: Ask, node: str, monotonic: Clock) -> None:
        self._ask, self._node, self._monotonic = ask, node, monotonic
        self._users: dict[str, tuple[float, Asker]] = {}
        self._allowed: dict[tuple[Asker, Attributes], tuple[float, bool]] = {}

    async def user_of(self, token: str) -> Asker:
        """Return who shows *token*; raises NotAuthenticated."""
        known = self._users.get(token)
        if known is not None and self._monotonic() < known[0]:
            return known[1]
        try:
            review = await self._ask(TOKENREVIEWS, {"spec": {"token": token}})
        except (StatusError, Unreachable) as error:
            raise NotAuthenticated(str(error)) from None
        status = review.get("status") or {}
        if not status.get("authenticated"):
            raise NotAuthenticated("the token is not believed")
        user = status.get("user") or {}
        asker = Asker(
            str(user.get("username") or ""),
            tuple(user.get("groups") or ()),
            str(user.get("uid") or ""),
        )
        _remember(self._users, token, (self._monotonic() + TOKEN_S, asker))
        return asker

    async def may(self, asker: Asker, asked: Attributes) -> bool:
        """Tell whether *asker* may do this; raises StatusError, Unreachable."""
        if asker.name == _TRUSTED_USER or _TRUSTED_GROUP in asker.groups:
            return True
        known = self._allowed.get((asker, asked))
        if known is not None and self._monotonic() < known[0]:
            return known[1]
        about = {
            "verb": asked.verb,
            "version": "v1",
            "resource": "nodes",
            "subresource": asked.subresource,
            "name": self._node,
        }
        spec = {"user": asker.name, "groups": list(asker.groups), "uid": asker.uid}
        review = await self._ask(
            SUBJECTACCESSREVIEWS, {"spec": {**spec, "resourceAttributes": about}}
        )
        allowed = bool((review.get("status") or {}).get("allowed"))
        ends = self._monotonic() + (ALLOWED_S if allowed else DENIED_S)
        _remember(self._allowed, (asker, asked), (ends, allowed))
        return allowed


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def _remember(known: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    if len(known) >= ANSWERS_MAX:
        known.clear()
    known[key] = value
