"""Who asks a component, and what he may do, as the API server says.

Upstream: DelegatingAuthenticationOptions, DelegatingAuthorizationOptions, the kubelet's webhooks. A
client certificate names its user; a bearer token is shown to the API server in a TokenReview. What
either may do is asked in a SubjectAccessReview. Answers are remembered for upstream's times.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from componentbase.clock import Clock
from kubeapi.client.errors import Unreachable
from kubeapi.objects import Object
from kubeapi.resources import SUBJECTACCESSREVIEWS, TOKENREVIEWS, Resource
from kubeapi.status import StatusError

AUTHENTICATED: Final = "system:authenticated"
#: How long answers hold (upstream: webhook authentication and authorization).
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


ANONYMOUS: Final = Asker("system:anonymous", ("system:unauthenticated",))


def asker_of(subject: Iterable[tuple[str, str]]) -> Asker | None:
    """Return whom a certificate's subject names; None for nobody."""
    pairs = list(subject)
    names = [value for key, value in pairs if key == "commonName"]
    if not names:
        return None
    groups = [value for key, value in pairs if key == "organizationName"]
    return Asker(names[-1], (*groups, AUTHENTICATED))


def bearer_token(authorization: str) -> str:
    """Return the token of an Authorization header, "" where there is none."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Question:
    """The attributes of a SubjectAccessReview, by the name of the field that has them."""

    field: Literal["resourceAttributes", "nonResourceAttributes"]
    attributes: tuple[tuple[str, str], ...]


class NotAuthenticated(Exception):
    """Nobody, a certificate that is not believed, or a token that the API server does not know."""


class Delegation:
    """Asks the API server, and remembers."""

    def __init__(self, ask: Ask, monotonic: Clock) -> None:
        self._ask, self._monotonic = ask, monotonic
        self._users: dict[str, tuple[float, Asker]] = {}
        self._allowed: dict[tuple[Asker, Question], tuple[float, bool]] = {}

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

    async def may(self, asker: Asker, asked: Question) -> bool:
        """Tell whether *asker* may do this; raises StatusError, Unreachable."""
        known = self._allowed.get((asker, asked))
        if known is not None and self._monotonic() < known[0]:
            return known[1]
        spec = {"user": asker.name, "groups": list(asker.groups), "uid": asker.uid}
        body = {"spec": {**spec, asked.field: dict(asked.attributes)}}
        review = await self._ask(SUBJECTACCESSREVIEWS, body)
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
