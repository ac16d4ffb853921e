"""Garbage, half messages, wrong opcodes, and questions that would make more of little."""

from __future__ import annotations

import struct

import dns.message
import dns.opcode
import dns.rcode
import pytest
from clusterdns_world import answering, ask, rows
from hypothesis import example, given
from hypothesis import strategies as st

from clusterdns import foreign, name, query, response
from clusterdns.foreign import Truncated
from clusterdns.name import MalformedMessage
from clusterdns.query import UDP_OCTETS_MAX
from clusterdns.record import Record, address
from clusterdns.response import Reply

SERVER = answering()
QUESTION = dns.message.make_query("web.default.svc.cluster.local.", "A", id=7).to_wire()
HEAD = struct.Struct("!6H")


def code_of(octets: bytes) -> str:
    answer = SERVER.answer(octets, 0.0)
    assert isinstance(answer, bytes)
    assert answer[:2] == octets[:2]
    return dns.rcode.to_text(answer[3] & 0xF)


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (HEAD.pack(7, 0, 0, 0, 0, 0), "FORMERR"),  # No question.
        (HEAD.pack(7, 0, 2, 0, 0, 0) + QUESTION[12:] * 2, "FORMERR"),  # Two.
        (HEAD.pack(7, 0, 1, 1, 0, 0) + QUESTION[12:], "FORMERR"),  # With an answer.
        (HEAD.pack(7, 0, 1, 0, 0, 3) + QUESTION[12:], "FORMERR"),
        (HEAD.pack(7, 0, 1, 0, 0, 1) + QUESTION[12:], "FORMERR"),  # The OPT is missing.
        (QUESTION[:20], "FORMERR"),  # Cut within the name.
        (QUESTION[:-1], "FORMERR"),
        (HEAD.pack(7, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", "FORMERR"),  # Points at itself.
        (HEAD.pack(7, 0, 1, 0, 0, 0) + b"\xc0\x00\0\1\0\1", "FORMERR"),  # Into the header.
        (HEAD.pack(7, 0, 1, 0, 0, 0) + b"\x40" + b"a" * 64 + b"\0\0\1\0\1", "FORMERR"),
        (HEAD.pack(7, 0, 1, 0, 0, 0) + b"\x3f" + b"a" * 63 + b"\0\0\1\0\1", "REFUSED"),
        (HEAD.pack(7, 0, 1, 0, 0, 0) + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1", "FORMERR"),
        (HEAD.pack(7, 0, 1, 0, 0, 0) + b"\0\0\1\0\1", "REFUSED"),  # The root.
        (HEAD.pack(7, 0x2800, 1, 0, 0, 0) + QUESTION[12:], "NOTIMP"),  # An update.
        (HEAD.pack(7, 0x2000, 1, 0, 0, 0) + QUESTION[12:], "NOTIMP"),  # A notification.
        (QUESTION[:-1] + b"\3", "REFUSED"),  # Class CH.
        (QUESTION[:-1] + b"\xff", "REFUSED"),  # Class ANY.
    ],
)
def test_a_wrong_question_gets_its_code(octets, code):
    assert code_of(octets) == code


@pytest.mark.parametrize("octets", [b"", b"\0" * 11, HEAD.pack(7, 0x8000, 1, 0, 0, 0)])
def test_what_is_no_question_gets_nothing(octets):
    assert SERVER.answer(octets, 0.0) is None


def test_another_version_of_edns_is_told_ours():
    question = dns.message.make_query("web.default.svc.cluster.local.", "A", use_edns=1)
    answer = dns.message.from_wire(SERVER.answer(question.to_wire(), 0.0))
    assert dns.rcode.to_text(answer.rcode()) == "BADVERS"
    assert answer.edns == 0


@given(st.binary(max_size=300))
@example(QUESTION[:12] + b"\xc0" * 200)
def test_any_octets_get_an_answer_or_nothing(octets):
    for by_tcp in (False, True):
        answer = SERVER.answer(octets, 0.0, by_tcp=by_tcp)
        assert answer is None or isinstance(answer, bytes)
        if answer is not None:
            assert len(answer) <= UDP_OCTETS_MAX
            assert answer[:2] == octets[:2]


@given(st.integers(0, len(QUESTION) - 1), st.binary(min_size=1, max_size=4))
def test_a_question_with_a_few_wrong_octets(at, octets):
    broken = QUESTION[:at] + octets + QUESTION[at + len(octets) :]
    answer = SERVER.answer(broken, 0.0)
    assert answer is None or dns.message.from_wire(answer, ignore_trailing=True) is not None


@given(st.binary(max_size=200))
def test_any_octets_of_a_resolver_are_an_answer_or_refused(octets):
    message = HEAD.pack(7, 0x8180, 1, 1, 0, 0) + QUESTION[12:] + octets
    for each in (octets, message):
        try:
            said = foreign.parse(each, 7, "web.default.svc.cluster.local", query.A)
        except (MalformedMessage, Truncated):
            continue
        response.encode(query.parse(QUESTION), said, 65_535)


LABELS = st.binary(min_size=1, max_size=63)


@given(st.lists(LABELS, max_size=4))
def test_every_name_is_text_and_octets_again(labels):
    octets = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    if len(octets) > name.NAME_OCTETS_MAX:
        return
    text, end = name.read(octets, 0)
    assert end == len(octets)
    assert name.encode(text) == octets


def many(count: int) -> Reply:
    found = [address("web.default.svc.cluster.local", 5, f"10.0.{n // 256}.{n % 256}")
             for n in range(count)]  # fmt: skip
    return Reply(answers=found, authoritative=True)


@pytest.mark.parametrize(
    ("edns", "octets_max"), [(None, 512), (512, 512), (100, 512), (1232, 1232), (65_535, 1232)]
)
def test_nobody_gets_more_by_udp_than_may_be(edns, octets_max):
    options = {} if edns is None else {"use_edns": 0, "payload": edns}
    asked = query.parse(
        dns.message.make_query("web.default.svc.cluster.local.", "A", **options).to_wire()
    )
    octets = response.encode(asked, many(500), asked.udp_octets())
    message = dns.message.from_wire(octets, raise_on_truncation=False)
    assert octets_max - 16 < len(octets) <= octets_max
    assert message.flags & dns.flags.TC
    whole = dns.message.from_wire(response.encode(asked, many(500), 65_535))
    assert len(whole.answer[0]) == 500


def test_additional_records_are_left_out_without_saying_so():
    asked = query.parse(QUESTION)
    reply = Reply(answers=many(5).answers, additional=many(100).answers)
    message = dns.message.from_wire(response.encode(asked, reply, 512))
    assert len(message.answer[0]) == 5
    assert not message.flags & dns.flags.TC


def test_a_record_that_is_left_out_leaves_no_name_to_point_at():
    asked = query.parse(QUESTION)
    long = Record("a" * 60 + ".example", query.CNAME, 5, target="b." * 100 + "example")
    short = address("x.example", 5, "10.0.0.1")
    reply = Reply(answers=[short], additional=[long])
    octets = response.encode(asked, reply, 100)
    assert rows(dns.message.from_wire(octets)) == ["x.example. A 10.0.0.1"]


def test_the_question_keeps_its_case():
    message = ask(SERVER, "wEb.DEFAULT.svc.Cluster.local.")
    assert str(message.question[0].name) == "wEb.DEFAULT.svc.Cluster.local."
    assert str(message.answer[0].name) == "wEb.DEFAULT.svc.Cluster.local."


def test_options_that_nobody_knows_are_not_echoed():
    message = ask(SERVER, "web.default.svc.cluster.local.", use_edns=0, payload=4096)
    assert message.edns == 0
    assert message.payload == UDP_OCTETS_MAX


def test_long_and_many_questions_leave_little_behind():
    server = answering()
    question = dns.message.make_query("web.default.svc.cluster.local.", "A", id=7)
    plain = bytearray(question.to_wire())
    plain[11] = 1  # With a record that nobody knows, of 60 KB.
    for number in range(80):
        record = b"\0\xff\x01\0\x01\0\0\0\0" + (60_000).to_bytes(2, "big")
        octets = bytes(plain) + record + number.to_bytes(2, "big") + bytes(59_998)
        assert server.answer(octets, 0.0) is not None
    many = dns.message.make_query("n00000.default.svc.cluster.local.", "A").to_wire()
    for number in range(5_000):
        server.answer(many.replace(b"n00000", b"n%05d" % number), 0.0)
    kept = server._wire._kept
    assert len(kept) <= 4096
    held = sum(len(key) + value.octets for key, value in kept.items())
    assert held == server._wire._octets <= 4 << 20
