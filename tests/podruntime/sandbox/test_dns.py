"""DNS messages: against dnspython, and against noise."""

from __future__ import annotations

import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podruntime.sandbox.dns import (
    AAAA,
    NXDOMAIN,
    PTR,
    A,
    Answer,
    MalformedMessage,
    Question,
    encode_name,
    parse_answer,
)

LABEL = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789-", min_size=1, max_size=20)


def _answer(question: Question, *records: str, **fields: object) -> bytes:
    """Let dnspython write the answer that has *records*: name, type and value."""
    message = dns.message.make_response(dns.message.from_wire(question.encode()))
    for record in records:
        name, kind, value = record.split()
        message.answer.append(dns.rrset.from_text(name, 5, "IN", kind, value))
    return message.to_wire(**fields)


@given(st.lists(LABEL, min_size=1, max_size=4), st.sampled_from([A, AAAA, PTR]), st.booleans())
def test_dnspython_reads_our_questions(labels, kind, edns):
    question = Question(7, ".".join(labels), kind, edns)
    message = dns.message.from_wire(question.encode())
    assert (message.edns, message.payload) == ((0, 1200) if edns else (-1, 0))
    assert message.id == 7
    assert message.question[0].name.to_text(omit_final_dot=True) == question.name
    assert message.question[0].rdtype == kind


def test_aliases_are_followed_and_strangers_left_out():
    question = Question(7, "Web.example.com")
    records = (
        "web.example.com. CNAME one.example.com.",
        "one.example.com. CNAME two.example.com.",
        "two.example.com. A 203.0.113.1",
        "other.example.com. A 203.0.113.66",
        "two.example.com. A 203.0.113.2",
    )
    answer = parse_answer(_answer(question, *records), question)
    assert [str(each) for each in answer.addresses] == ["203.0.113.1", "203.0.113.2"]
    assert answer.canonical == "two.example.com"
    loop = ("web.example.com. CNAME b.example.com.", "b.example.com. CNAME web.example.com.")
    assert parse_answer(_answer(question, *loop), question).addresses == ()


def test_other_types():
    six = Question(1, "web.example.com", AAAA)
    answer = parse_answer(_answer(six, "web.example.com. AAAA 2001:db8::1"), six)
    assert str(answer.addresses[0]) == "2001:db8::1"
    pointer = Question(1, "1.113.0.203.in-addr.arpa", PTR)
    wire = _answer(pointer, "1.113.0.203.in-addr.arpa. PTR Web.example.com.")
    assert parse_answer(wire, pointer).names == ("web.example.com",)


def test_codes_and_cuts():
    question = Question(7, "web")
    query = question.encode()
    nobody = query[:2] + b"\x81\x83" + query[4:]
    assert parse_answer(nobody, question) == Answer(NXDOMAIN, canonical="web")
    cut = query[:2] + b"\x83\x80" + query[4:6] + b"\0\x05" + query[8:]
    assert parse_answer(cut, question).truncated, "none of the five records is there"


@pytest.mark.parametrize(
    "other", [Question(8, "web"), Question(7, "web2"), Question(7, "web", AAAA)]
)
def test_answers_to_others_are_malformed(other):
    with pytest.raises(MalformedMessage):
        parse_answer(_answer(Question(7, "web")), other)


def test_a_question_is_no_answer():
    question = Question(7, "web")
    with pytest.raises(MalformedMessage):
        parse_answer(question.encode(), question)


def test_pointers_that_never_end():
    question = Question(7, "web")
    head = question.encode()
    looped = head[:2] + b"\x81\x80" + head[4:6] + b"\0\1" + head[8:] + b"\xc0\x15" * 8
    with pytest.raises(MalformedMessage, match="without end"):
        parse_answer(looped, question)


@given(st.binary(max_size=100))
def test_any_octets_are_an_answer_or_malformed(octets):
    question = Question(7, "web.example.com", AAAA)
    try:
        parse_answer(octets, question)
        parse_answer(question.encode()[:2] + b"\x81\x80" + octets, question)
    except MalformedMessage:
        return


def test_a_name_has_labels_of_bounded_length():
    assert encode_name("a.bc.") == b"\x01a\x02bc\x00"
    for name in ("", "a..b", "x" * 64, "a." * 130):
        with pytest.raises(ValueError, match="no domain name"):
            encode_name(name)
