"""Who asks: the client's certificate, or a token (upstream: authentication/request).

A certificate's common name is the user, organizations are groups. Whoever shows none may show a
service account's token; whoever shows nothing is anonymous. What a front proxy would say of others
in headers (X-Remote-User) is not read: there is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from componentbase.client_certificates import Shown


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated user."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    #: What else is known of who asks, as pairs (upstream: UserInfo.Extra).
    extra: tuple[tuple[str, str], ...] = ()


AUTHENTICATED: Final = "system:authenticated"
UNAUTHENTICATED: Final = "system:unauthenticated"
#: May do everything.
MASTERS: Final = "system:masters"
#: Nodes, each by its own name.
NODES: Final = "system:nodes"
ANONYMOUS: Final = User("system:anonymous", (UNAUTHENTICATED,))


class Certified:
    """Whom a client's certificate names, worked out once a connection."""

    def __init__(self, shown: Shown) -> None:
        self._shown, self._user = shown, user_of(shown.subject)

    def user(self, now: float) -> User | None:
        """Return who it is at *now*, Unix seconds; None for nobody; raises NotBelieved."""
        self._shown.names(now)
        return self._user


def user_of(subject: Iterable[tuple[str, str]]) -> User | None:
    """Return whom a certificate's *subject* names; None for nobody."""
    pairs = list(subject)
    names = [value for key, value in pairs if key == "commonName"]
    if not names:
        return None
    groups = [value for key, value in pairs if key == "organizationName"]
    return User(names[-1], (*groups, AUTHENTICATED))
