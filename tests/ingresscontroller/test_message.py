"""Heads that have one meaning are read; all others are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingresscontroller.message import (
    FIELDS_MAX,
    HEAD_OCTETS_MAX,
    TARGET_OCTETS_MAX,
    Refused,
    head_end,
    parse_request,
    parse_response,
)


def request(*lines: str, first: str = "GET / HTTP/1.1"):
    return parse_request("\r\n".join([first, "Host: a", *lines]).encode("latin-1"))


def refusal(*lines: str, first: str = "GET / HTTP/1.1") -> int:
    with pytest.raises(Refused) as caught:
        request(*lines, first=first)
    return caught.value.status


#: What smugglers send (RFC 9112 §11.2; the shapes of CL.TE, TE.CL, TE.TE, CL.CL).
SMUGGLED = {
    "both": (("Content-Length: 4", "Transfer-Encoding: chunked"), 400),
    "both-the-other-way": (("Transfer-Encoding: chunked", "Content-Length: 4"), 400),
    "two-lengths": (("Content-Length: 4", "Content-Length: 5"), 400),
    "two-equal-lengths": (("Content-Length: 4", "Content-Length: 4"), 400),
    "length-list": (("Content-Length: 4, 4",), 400),
    "length-plus": (("Content-Length: +4",), 400),
    "length-minus": (("Content-Length: -4",), 400),
    "length-hexadecimal": (("Content-Length: 0x4",), 400),
    "length-empty": (("Content-Length:",), 400),
    "length-huge": (("Content-Length: 9999999999999999999",), 400),
    "length-foreign-digits": (("Content-Length: \xb2",), 400),
    "coding-identity": (("Transfer-Encoding: identity",), 501),
    "coding-twice": (("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), 400),
    "coding-list": (("Transfer-Encoding: identity, chunked",), 501),
    "coding-chunked-twice": (("Transfer-Encoding: chunked, chunked",), 501),
    "coding-misspelt": (("Transfer-Encoding: xchunked",), 501),
    "coding-vertical-tab": (("Transfer-Encoding: \x0bchunked",), 400),
    "coding-space-before-colon": (("Transfer-Encoding : chunked",), 400),
    "coding-tab-before-colon": (("Transfer-Encoding\t: chunked",), 400),
    "coding-folded": (("Transfer-Encoding:", " chunked"), 400),
    "folded-value": (("X: a", "\tb"), 400),
    "first-field-folded": ((" Content-Length: 4",), 400),
    "bare-carriage-return": (("X: a\rTransfer-Encoding: chunked",), 400),
    "bare-line-feed": (("X: a\nTransfer-Encoding: chunked",), 400),
    "nul": (("X: a\0b",), 400),
    "no-colon": (("Transfer-Encoding",), 400),
    "empty-name": ((": chunked",), 400),
    "two-hosts": (("Host: b",), 400),
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_two_meanings_are_refused(name):
    lines, status = SMUGGLED[name]
    assert refusal(*lines) == status


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET  / HTTP/1.1", 400),
        ("GET /\tHTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        ("GET / http/1.1", 400),
        ("GET /", 400),
        (" GET / HTTP/1.1", 400),
        ("GE(T / HTTP/1.1", 400),
        ("GET / HTTP/2.0", 505),
        ("GET / HTTP/1.2", 505),
        ("GET relative HTTP/1.1", 400),
        ("GET ftp://a/ HTTP/1.1", 400),
        ("CONNECT a:443 HTTP/1.1", 405),
        ("GET /caf\xe9 HTTP/1.1", 400),
        (f"GET /{'a' * TARGET_OCTETS_MAX} HTTP/1.1", 414),
    ],
)
def test_a_request_line_is_one_or_is_refused(line, status):
    assert refusal(first=line) == status


@pytest.mark.parametrize("host", ["a b", "a/b", "a@b", "a,b", "[::1", "a:b", "", "a:1:2"])
def test_a_host_is_one(host):
    with pytest.raises(Refused):
        parse_request(f"GET / HTTP/1.1\r\nHost: {host}".encode())


def test_a_host_is_needed_since_1_1():
    with pytest.raises(Refused):
        parse_request(b"GET / HTTP/1.1")
    assert parse_request(b"GET / HTTP/1.0").host == ""


def test_an_absolute_target_says_the_host():
    head = parse_request(b"GET http://B.example:81/x?y HTTP/1.1\r\nHost: a")
    assert (head.host, head.name, head.target) == ("b.example:81", "b.example", b"/x?y")
    assert parse_request(b"GET http://b?x HTTP/1.1\r\nHost: a").target == b"/?x"


def test_what_concerns_one_connection_is_not_passed_on():
    head = request("Connection: X-Mine, keep-alive", "X-Mine: 1", "Keep-Alive: 5", "TE: trailers",
                   "Upgrade: h2c", "Accept: a", "Proxy: evil", "X_Forwarded_For: 1")  # fmt: skip
    assert head.fields == [(b"Host", b"a"), (b"Accept", b"a")]
    assert head.keep_alive


@pytest.mark.parametrize(
    ("first", "connection", "stays"),
    [
        ("GET / HTTP/1.1", "", True),
        ("GET / HTTP/1.1", "close", False),
        ("GET / HTTP/1.0", "", False),
        ("GET / HTTP/1.0", "Keep-Alive", True),
    ],
)
def test_a_connection_stays_as_its_version_says(first, connection, stays):
    lines = [f"Connection: {connection}"] if connection else []
    assert request(*lines, first=first).keep_alive is stays


def test_http_1_0_has_no_chunks():
    assert refusal("Transfer-Encoding: chunked", first="POST / HTTP/1.0") == 400


def test_an_answers_head_is_read_as_strictly():
    head = parse_response(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close")
    assert (head.status, head.length, head.keep_alive) == (200, 3, False)
    assert parse_response(b"HTTP/1.1 204").status == 204
    for wrong in (b"HTTP/1.1 20 OK", b"HTTP/2 200 OK", b"ICY 200 OK", b"HTTP/1.1 200 OK\r\nX"):
        with pytest.raises(Refused):
            parse_response(wrong)


def test_a_head_has_bounds():
    assert head_end(bytearray(b"GET / HTTP/1.1\r\n\r\n")) == 14
    assert head_end(bytearray(b"GET / HTTP/1.1\r\nX: " + b"a" * 9000)) == -1
    with pytest.raises(Refused) as caught:
        head_end(bytearray(b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_OCTETS_MAX))
    assert caught.value.status == 431
    with pytest.raises(Refused) as caught:
        head_end(bytearray(b"GET /" + b"a" * (TARGET_OCTETS_MAX + 100)))
    assert caught.value.status == 414
    assert refusal(*[f"X-{at}: 1" for at in range(FIELDS_MAX)]) == 431


@given(st.binary(max_size=300))
def test_any_octets_are_a_head_or_are_refused(octets):
    for parse in (parse_request, parse_response):
        try:
            head = parse(octets)
        except Refused:
            continue
        assert not (head.chunked and head.length is not None)


@given(st.sampled_from([b" ", b"\t", b"\r", b"\n", b"\0", b":", b",", b";", b"\x0b", b"x"]),
       st.integers(0, 60))  # fmt: skip
def test_one_octet_more_changes_no_framing_in_silence(octet, at):
    """Whatever is put into a head with a coding: it is refused, or it means the same."""
    plain = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked"
    try:
        head = parse_request(plain[:at] + octet + plain[at:])
    except Refused:
        return
    framing = [value for name, value in head.fields if b"ncoding" in name.lower()]
    assert head.chunked or not framing or framing == [b"chunked"]
