"""Who asks: the client's certificate, or a token (upstream: authentication/request).

A certificate's common name is the user, organizations are groups. Whoever shows none may show a
service account's token (a browser's WebSocket, which sets no headers, as a subprotocol); whoever
shows nothing is anonymous. What a front proxy would say of others in headers (X-Remote-User) is not
read: there is none.
"""

from __future__ import annotations

import base64
import binascii
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
_TOKEN_PROTOCOL: Final = "base64url.bearer.authorization.k8s.io."
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


def web_socket_token(protocols: str) -> str:
    """Return the token among a WebSocket's *protocols*, "" for none; raises ValueError.

    There must be another one beside it: that one is what the server can agree to (upstream:
    authentication/request/websocket).
    """
    offered = [each.strip() for each in protocols.split(",")]
    tokens = [each for each in offered if each.startswith(_TOKEN_PROTOCOL)]
    if not tokens:
        return ""
    if len(tokens) > 1 or len(offered) == 1:
        raise ValueError("one token is shown, beside a subprotocol")
    text = tokens[0].removeprefix(_TOKEN_PROTOCOL)
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(f"the token is not base64: {error}") from None
    return octets.decode()
