from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.http1 import BODY_KEPT, INTERIM_MAX, BadResponse, ResponseReader, request_octets
from loadgen.plan import LoadPlan


def plan(**change):
    return LoadPlan(**{"url": "http://web:81/a?b", "rate": 1, "duration_s": 1, **change})


def test_requests():
    assert request_octets(plan()) == (
        b"GET /a?b HTTP/1.1\r\nhost: web:81\r\nuser-agent: loadgen\r\naccept: */*\r\n\r\n"
    )
    posted = request_octets(plan(method="POST", body=b"hi", headers={"Host": "b"}, fresh=True))
    assert posted == (
        b"POST /a?b HTTP/1.1\r\nhost: b\r\nuser-agent: loadgen\r\naccept: */*\r\n"
        b"content-length: 2\r\nconnection: close\r\n\r\nhi"
    )


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Backend: b1\r\n\r\nweb-1\n"
CHUNKED = (
    b"HTTP/1.1 503 Service Unavailable\r\ntransfer-encoding: chunked\r\n\r\n"
    b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\ntrailer: x\r\n\r\n"
)
EMPTY = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH


@pytest.mark.parametrize(
    ("octets", "status", "body", "keep_alive"),
    [
        (LENGTH, 200, b"web-1\n", True),
        (CHUNKED, 503, b"abc0123456789", True),
        (EMPTY, 204, b"", False),
        (INTERIM, 200, b"web-1\n", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b"", False),
        (LENGTH + b"more", 200, b"web-1\n", False),
        (LENGTH.replace(b"\r\n", b"\n"), 200, b"web-1\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: TE, Close\r\ncontent-length: 0\r\n\r\n", 200, b"", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\ncontent-length: 0\r\n\r\n", 200, b"", True),
    ],
)
def test_framings(octets, status, body, keep_alive):
    response = ResponseReader().feed(octets)
    assert response is not None
    assert (response.status, response.body, response.keep_alive) == (status, body, keep_alive)
    assert response.length == len(body)


@given(st.sampled_from([LENGTH, CHUNKED, EMPTY, INTERIM]), st.lists(st.integers(1, 90)))
def test_octets_may_come_in_any_pieces(octets, cuts):
    whole = ResponseReader().feed(octets)
    reader, response = ResponseReader(), None
    edges = sorted({0, len(octets), *(cut for cut in cuts if cut < len(octets))})
    for start, end in itertools.pairwise(edges):
        assert response is None
        response = reader.feed(octets[start:end])
    assert response == whole
    assert reader.is_idle


@given(st.binary(max_size=200))
def test_any_octets_are_a_response_or_bad(octets):
    reader = ResponseReader()
    try:
        if reader.feed(octets) is None:
            reader.end()
    except BadResponse:
        pass


def test_a_body_without_a_length_ends_with_the_connection():
    reader = ResponseReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\n\r\nabc") is None
    response = reader.end()
    assert response is not None
    assert (response.body, response.keep_alive) == (b"abc", False)
    assert reader.end() is None


def test_an_answer_to_head_has_no_body():
    response = ResponseReader(head_only=True).feed(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
    assert response is not None
    assert response.keep_alive


def test_only_the_beginning_of_a_body_is_kept():
    length = 3 * BODY_KEPT
    octets = f"HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n".encode() + b"x" * length
    response = ResponseReader().feed(octets)
    assert response is not None
    assert (len(response.body), response.length) == (BODY_KEPT, length)


@pytest.mark.parametrize(
    "octets",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-2\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"0" * 9000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1_0\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * (INTERIM_MAX + 1),
        b"\x16\x03\x01",  # TLS, where none was asked for.
        b"x" * 70_000,
    ],
)
def test_what_is_no_response_is_bad(octets):
    with pytest.raises(BadResponse):
        ResponseReader().feed(octets)


def test_a_response_cut_short_is_bad():
    reader = ResponseReader()
    reader.feed(LENGTH[:-1])
    assert not reader.is_idle
    with pytest.raises(BadResponse):
        reader.end()
