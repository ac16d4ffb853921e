"""What a failed call to etcd means, read from its gRPC code and words (etcd: rpctypes/error.go).

The one question that matters to a writer: did it happen? A refusal is an answer: it did not. A
member that could not be reached was never asked. After anything else nobody knows, and the call
is *in doubt*: only a write that compares may be sent again.
"""

from __future__ import annotations

import enum
from typing import Final


class Kind(enum.Enum):
    """What became of a call."""

    UNREACHABLE = "nobody was asked"
    IN_DOUBT = "asked, and not answered"
    COMPACTED = "the revision is compacted"
    FUTURE = "the revision does not exist yet"
    NO_SPACE = "the quota is used up"
    TOO_LARGE = "the request is too large"
    NO_LEASE = "there is no such lease"
    LEASE_EXISTS = "there is such a lease"
    DENIED = "not allowed"
    REFUSED = "refused for another reason"


#: The beginnings of etcd's and gRPC's sentences.
_SENTENCES: Final = {
    "failed to connect to all addresses": Kind.UNREACHABLE,
    "errors resolving": Kind.UNREACHABLE,
    "etcdserver: no leader": Kind.UNREACHABLE,
    "etcdserver: too many requests": Kind.UNREACHABLE,
    "etcdserver: not capable": Kind.UNREACHABLE,
    "etcdserver: rpc not supported for learner": Kind.UNREACHABLE,
    "etcdserver: mvcc: required revision has been compacted": Kind.COMPACTED,
    "etcdserver: mvcc: required revision is a future revision": Kind.FUTURE,
    "etcdserver: mvcc: database space exceeded": Kind.NO_SPACE,
    "etcdserver: request is too large": Kind.TOO_LARGE,
    "grpc: received message larger than max": Kind.TOO_LARGE,
    "etcdserver: requested lease not found": Kind.NO_LEASE,
    "etcdserver: lease already exists": Kind.LEASE_EXISTS,
    "etcdserver: permission denied": Kind.DENIED,
    "etcdserver: user name is empty": Kind.DENIED,
    "etcdserver: authentication failed": Kind.DENIED,
    "etcdserver: invalid auth token": Kind.DENIED,
}
#: What gRPC's words about TLS mean, and which setting to look at.
_ADVICE: Final = {
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not signed by the authority in etcd_ca",
    "Hostname Verification Check failed": "its certificate lacks the name in etcd_server_name",
    "TSI_DATA_CORRUPTED": "it refuses the certificate in etcd_certificate, or wants one",
    "Handshake read failed": "it broke off the TLS handshake; without TLS leave etcd_ca empty",
}
#: Codes that say "it may have happened" when the sentence is none of the above.
_DOUBTFUL: Final = {
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "CANCELLED",
    "UNKNOWN",
    "INTERNAL",
    "ABORTED",
    "DATA_LOSS",
    "RESOURCE_EXHAUSTED",
}
_DENYING: Final = {"PERMISSION_DENIED", "UNAUTHENTICATED"}


class Refusal(Exception):
    """How a call failed, in etcd's words."""

    def __init__(self, kind: Kind, words: str) -> None:
        super().__init__(words)
        self.kind = kind


def judge(code: str, words: str) -> Refusal:
    """Return what the gRPC status *code* with the sentence *words* means."""
    for beginning, kind in _SENTENCES.items():
        if words.startswith(beginning):
            return Refusal(kind, _advised(words))
    if code in _DENYING:
        return Refusal(Kind.DENIED, words)
    if code in _DOUBTFUL:
        return Refusal(Kind.IN_DOUBT, f"{words or 'no answer'} ({code})")
    return Refusal(Kind.REFUSED, f"{words} ({code})")


def _advised(words: str) -> str:
    for part, advice in _ADVICE.items():
        if part in words:
            return f"{advice} ({words})"
    return words
