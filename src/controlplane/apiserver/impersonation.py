"""Acting as somebody else: `kubectl --as` (upstream: endpoints/filters/impersonation.go).

Whoever asks must have the verb `impersonate` on each part of whom they claim to be: users, groups,
service accounts, uids and every value of extra. What is decided and done afterwards is the other's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from controlplane.apiserver.authn import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User
from controlplane.apiserver.request_info import RequestInfo
from kubeapi.status import bad_request

_ACCOUNT: Final = "system:serviceaccount:"
_ACCOUNTS: Final = "system:serviceaccounts"
_GROUP: Final = "authentication.k8s.io"
_PREFIX: Final = b"impersonate-"
_USER, _GROUPS, _UID, _EXTRA = "user", "group", "uid", "extra-"
#: How many parts somebody may claim at once: each is a decision.
PARTS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Impersonation:
    """Whom somebody wants to be, and what they must be allowed for that."""

    user: User
    needed: tuple[RequestInfo, ...]


def impersonation(headers: Iterable[tuple[bytes, bytes]]) -> Impersonation | None:
    """Read a request's headers; None when it acts as itself; raises StatusError 400."""
    parts = [
        (name[len(_PREFIX) :].decode("latin-1").lower(), value.decode(errors="replace"))
        for name, value in headers
        if name[: len(_PREFIX)].lower() == _PREFIX
    ]
    return _claimed(parts) if parts else None


def _claimed(parts: list[tuple[str, str]]) -> Impersonation:
    if len(parts) > PARTS_MAX:
        raise bad_request(f"more than {PARTS_MAX} headers say whom to impersonate")
    name = next((value for key, value in parts if key == _USER), "")
    if not name:
        told = ", ".join(sorted({key for key, _ in parts}))
        raise bad_request(f"requested {told} without impersonating a user")
    groups = [value for key, value in parts if key == _GROUPS]
    extra = tuple(
        (unquote(key.removeprefix(_EXTRA)), value) for key, value in parts if key.startswith(_EXTRA)
    )
    uid = next((value for key, value in parts if key == _UID), "")
    needed = (
        _user(name),
        *(_asked("groups", group) for group in groups),
        *(_asked("userextras", value, _GROUP, subresource=key) for key, value in extra),
        *([_asked("uids", uid, _GROUP)] if uid else []),
    )
    return Impersonation(User(name, tuple(_groups(name, groups)), uid=uid, extra=extra), needed)


def _asked(
    resource: str, name: str, group: str = "", *, namespace: str = "", subresource: str = ""
) -> RequestInfo:
    return RequestInfo(
        verb="impersonate",
        path="",
        group=group,
        version="v1",
        resource=resource,
        name=name,
        namespace=namespace,
        subresource=subresource,
    )


def _user(name: str) -> RequestInfo:
    account = _account(name)
    if account is None:
        return _asked("users", name)
    namespace, own = account
    return _asked("serviceaccounts", own, namespace=namespace)


def _account(name: str) -> tuple[str, str] | None:
    """Return namespace and name of a service account's user name."""
    namespace, _, own = name.removeprefix(_ACCOUNT).partition(":")
    if not name.startswith(_ACCOUNT) or not namespace or not own or ":" in own:
        return None
    return namespace, own


def _groups(name: str, asked: list[str]) -> Iterator[str]:
    account = _account(name)
    groups = asked
    if not asked and account is not None:
        groups = [_ACCOUNTS, f"{_ACCOUNTS}:{account[0]}"]
    yield from groups
    if AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
        yield UNAUTHENTICATED if name == ANONYMOUS.name else AUTHENTICATED
