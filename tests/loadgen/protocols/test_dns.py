from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.http1 import BadResponse
from loadgen.plan import LoadPlan, PlanError
from loadgen.protocols.dns import DnsCodec, question


def codec(url="dns://dns/web.default.svc?type=A", seed=0):
    return DnsCodec(LoadPlan(url=url, rate=1, duration_s=1, seed=seed))


def answer(request, *, flags=0x8180, number=None, body=None):
    if number is None:
        (number,) = struct.unpack_from("!H", request)
    header = struct.pack("!6H", number, flags, 1, 0, 0, 0)
    return header + (request[12:] if body is None else body)


def test_a_question_is_laid_out_as_the_standard_says():
    assert codec().request() == (
        b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
        b"\x03web\x07default\x03svc\x00\x00\x01\x00\x01"
    )
    assert question("a", "AAAA")[-4:] == b"\x00\x1c\x00\x01"


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (0x8180, ""),
        (0x8183, "nxdomain"),
        (0x8182, "servfail"),
        (0x8185, "dns-refused"),
        (0x8189, "dns-9"),
        (0x8380, "truncated"),
    ],
)
def test_the_code_says_how_it_went(flags, error):
    dns = codec()
    found = dns.feed(answer(dns.request(), flags=flags))
    assert found is not None
    assert found.error == error


def test_an_answer_to_an_earlier_question_is_left_out():
    dns = codec(seed=0xFFFF)
    before = dns.request()
    now = dns.request()
    assert dns.feed(answer(before)) is None
    assert dns.feed(answer(now)) is not None
    assert dns.is_idle
    assert dns.end() is None


@pytest.mark.parametrize(
    "change",
    [
        lambda request: request[:11],
        lambda request: request,
        lambda request: answer(request, body=b"\x01a\x00\x00\x01\x00\x01"),
    ],
)
def test_what_answers_something_else_is_bad(change):
    dns = codec()
    request = dns.request()
    with pytest.raises(BadResponse):
        dns.feed(change(request))


@given(st.binary(max_size=60))
def test_any_octets_are_an_answer_or_bad(octets):
    dns = codec()
    dns.request()
    try:
        dns.feed(octets)
    except BadResponse:
        pass


@pytest.mark.parametrize(
    ("name", "record", "words"),
    [
        ("web", "HTTPS", "'HTTPS' is no type of DNS record; there are A, NS"),
        ("a..b", "A", "'' is no label"),
        ("x" * 64, "A", "is no label"),
        (".".join(["x" * 60] * 5), "A", "longer than 255 octets"),
    ],
)
def test_names_and_types_have_bounds(name, record, words):
    with pytest.raises(PlanError, match=words):
        question(name, record)
