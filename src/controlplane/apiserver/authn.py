"""Who asks: the client's certificate, or a token (upstream: authentication/request).

A certificate's common name is the user, organizations are groups. Whoever shows none may show a
service account's token; whoever shows nothing is anonymous. A certificate that our CA did not sign
never gets past the TLS handshake (upstream completes the handshake and answers 401).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated user."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    #: What else is known of who asks, as pairs (upstream: UserInfo.Extra).
    extra: tuple[tuple[str, str], ...] = ()


#: What `ssl` returns for a certificate: names as tuples of tuples of pairs.
PeerCertificate = Mapping[str, object]

AUTHENTICATED: Final = "system:authenticated"
UNAUTHENTICATED: Final = "system:unauthenticated"
#: May do everything.
MASTERS: Final = "system:masters"
#: Nodes, each by its own name.
NODES: Final = "system:nodes"
ANONYMOUS: Final = User("system:anonymous", (UNAUTHENTICATED,))


def user_of(certificate: PeerCertificate | None) -> User | None:
    """Return whom *certificate* names; None is anonymous."""
    subject = (certificate or {}).get("subject")
    if not isinstance(subject, Iterable):
        return None
    pairs = [(str(key), str(value)) for part in subject for key, value in part]
    names = [value for key, value in pairs if key == "commonName"]
    if not names:
        return None
    groups = [value for key, value in pairs if key == "organizationName"]
    return User(names[-1], (*groups, AUTHENTICATED))


def bearer_token(authorization: str) -> str:
    """Return the token of an Authorization header, "" where there is none."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
