"""What etcd's sentences mean for the one who asked."""

from __future__ import annotations

import pytest

from controlplane.storage.etcd.refusal import Kind, judge


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        ("UNAVAILABLE", "failed to connect to all addresses; last error: …", Kind.UNREACHABLE),
        ("UNAVAILABLE", "errors resolving etcd-1:2379: Domain name not found", Kind.UNREACHABLE),
        ("UNAVAILABLE", "etcdserver: no leader", Kind.UNREACHABLE),
        ("UNAVAILABLE", "Socket closed", Kind.IN_DOUBT),
        ("UNAVAILABLE", "etcdserver: request timed out", Kind.IN_DOUBT),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", Kind.IN_DOUBT),
        ("UNKNOWN", "etcdserver: server stopped", Kind.IN_DOUBT),
        ("OUT_OF_RANGE", "etcdserver: mvcc: required revision has been compacted", Kind.COMPACTED),
        ("OUT_OF_RANGE", "etcdserver: mvcc: required revision is a future revision", Kind.FUTURE),
        ("RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded", Kind.NO_SPACE),
        ("INVALID_ARGUMENT", "etcdserver: request is too large", Kind.TOO_LARGE),
        ("RESOURCE_EXHAUSTED", "grpc: received message larger than max (3 vs. 2)", Kind.TOO_LARGE),
        ("NOT_FOUND", "etcdserver: requested lease not found", Kind.NO_LEASE),
        ("PERMISSION_DENIED", "etcdserver: permission denied", Kind.DENIED),
        ("INVALID_ARGUMENT", "etcdserver: user name is empty", Kind.DENIED),
        ("UNAUTHENTICATED", "whatever", Kind.DENIED),
        ("INVALID_ARGUMENT", "etcdserver: duplicate key given in txn request", Kind.REFUSED),
    ],
)
def test_judge(code: str, words: str, kind: Kind):
    assert judge(code, words).kind is kind


def test_silence_is_in_doubt_and_says_so():
    assert str(judge("UNAVAILABLE", "")) == "no answer (UNAVAILABLE)"
