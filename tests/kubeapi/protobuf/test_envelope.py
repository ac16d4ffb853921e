"""Bodies as kubectl 1.32 sends them, and bodies that nobody should send."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kubeapi.protobuf import MalformedProtobuf, decode
from kubeapi.protobuf.messages import fields_of

#: `kubectl create configmap tt2 --from-literal=a=b`: what is empty is on the wire, too.
CONFIGMAP = bytes.fromhex(
    "6b3873000a0f0a02763112 09436f6e6669674d6170 121d0a13 0a03747432 120 01a002200 2a00320038004200"
    " 12060a01611201621a002200".replace(" ", "")
)


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    meta = field(1, api_version.encode()) + field(2, kind.encode())
    return b"k8s\0" + field(1, meta) + field(2, raw)


def field(number: int, octets: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(octets)) + octets


def varint(number: int) -> bytes:
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*octets, number])


def test_what_kubectl_sends():
    assert decode(CONFIGMAP) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "tt2"},
        "data": {"a": "b"},
    }


def test_delete_options_come_under_any_groups_name():
    raw = varint(1 << 3) + b"\0" + field(4, b"Orphan")
    for version in ("v1", "meta.k8s.io/v1", "apps/v1"):
        found = decode(envelope(version, "DeleteOptions", raw))
        assert (found["gracePeriodSeconds"], found["propagationPolicy"]) == (0, "Orphan")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "does not begin"),
        (b"{}", "does not begin"),
        (b"k8s\0", "no kind"),
        (b"k8s\0\x0a", "ends in the middle"),
        (b"k8s\0\x0a\x7fabc", "no runtime.Unknown"),
        (b"k8s\0\x08\x01", "no runtime.Unknown"),
        (envelope("v1", "\xff", b""), 'no kind "ÿ"'),
        (b"k8s\0" + field(1, field(1, b"\xff")), "no UTF-8"),
        (envelope("v9", "Pod", b""), 'no kind "Pod" is registered for version "v9"'),
        (envelope("stable.example.com/v1", "CronTab", b""), "send JSON"),
        (b"k8s\0" + field(3, b"gzip"), "encoded once more"),
        (envelope("v1", "Pod", b"\x0a"), "ends in the middle"),
        (envelope("v1", "Pod", b"\x0a\x05a"), "longer than the message"),
        (envelope("v1", "Pod", b"\x0b"), "no wire type 3"),
        (envelope("v1", "Pod", b"\xf8" + b"\xff" * 10 + b"\1"), "more than 64 bits"),
        (envelope("v1", "Pod", field(1, field(1, b"\xff"))), "no UTF-8"),
        (envelope("v1", "ConfigMap", field(2, field(1, b"a") + b"\x10\1")), "tells no length"),
    ],
)
def test_what_is_no_object_is_refused_in_words(body, said):
    with pytest.raises(MalformedProtobuf, match=said):
        decode(body)


def test_unknown_fields_are_passed_over():
    later = field(77, b"x") + varint(78 << 3) + b"\1" + varint(79 << 3 | 5) + b"\0" * 4
    later += varint(80 << 3 | 1) + b"\0" * 8
    found = decode(envelope("v1", "ConfigMap", later + field(1, field(1, b"c") + later)))
    assert found == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}


def test_no_message_stands_within_itself():
    """What bounds the depth of decoding is the table."""

    def depth(name: str, around: tuple[str, ...] = ()) -> int:
        assert name not in around, around
        inner = {field.message for field in fields_of(name).values() if field.message}
        return 1 + max((depth(each, (*around, name)) for each in inner), default=0)

    deepest = max(depth(f"k8s.io.api.{name}") for name in ("batch.v1.CronJob", "core.v1.Pod"))
    assert deepest < 20


@given(st.binary(max_size=200))
@example(b"\x0a" * 200)
def test_any_octets_are_an_object_or_refused(octets):
    for body in (octets, b"k8s\0" + octets, envelope("v1", "Pod", octets)):
        try:
            found = decode(body)
        except MalformedProtobuf:
            continue
        assert isinstance(found["kind"], str)


@given(st.integers(0, len(CONFIGMAP) - 1), st.integers(0, 255))
def test_one_wrong_octet_is_never_a_fault(at, octet):
    broken = bytearray(CONFIGMAP)
    broken[at] = octet
    try:
        decode(bytes(broken))
    except MalformedProtobuf:
        return
