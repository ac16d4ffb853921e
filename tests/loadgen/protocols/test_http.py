from __future__ import annotations

import pytest

from loadgen.http1 import INTERIM_MAX, BadResponse
from loadgen.plan import LoadPlan
from loadgen.protocols import CODECS
from loadgen.protocols.http import HttpCodec


def codec(**change):
    return HttpCodec(LoadPlan(url="http://web/", rate=1, duration_s=1, **change))


def response(body, status=b"200 OK", more=b""):
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\n%s\r\n%s" % (status, len(body), more, body)


def test_answers_name_their_backend_each_anew():
    http = codec()
    backends = [http.feed(response(body)).backend for body in (b"web-1", b"web-1", b"web-2")]
    assert backends == ["web-1", "web-1", "web-2"]
    assert http.is_idle


def test_a_header_names_the_backend_and_may_change_under_one_body():
    http = codec(backend_header="via")
    answers = [http.feed(response(b"x", more=b"via: %s\r\n" % via)) for via in (b"a", b"b", b"a")]
    assert [answer.backend for answer in answers] == ["a", "b", "a"]


def test_statuses_and_closing_are_told():
    http = codec()
    assert http.feed(response(b"", b"503 Busy")).error == "http-5xx"
    assert http.feed(response(b"", b"404 Gone")).error == "http-4xx"
    assert not http.feed(response(b"", more=b"connection: close\r\n")).keep
    assert http.feed(response(b"")).keep


def test_a_body_may_end_with_the_stream():
    http = codec()
    assert http.feed(b"HTTP/1.0 200 OK\r\n\r\nweb-1") is None
    assert http.end().backend == "web-1"
    assert codec().end() is None


def test_nonsense_is_bad():
    with pytest.raises(BadResponse):
        codec().feed(b"SSH-2.0-x\r\n\r\n")


def test_every_scheme_has_a_codec():
    for scheme, make in CODECS.items():
        url = f"{scheme}://web:7/" + ("name" if scheme == "dns" else "")
        assert make(LoadPlan(url=url, rate=1, duration_s=1)).request()


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"])
def test_a_kept_connection_may_say_the_same_for_ever(beginning):
    """Also when each answer has an interim one of its own, in a packet of its own."""
    http = codec()
    for _ in range(3 * INTERIM_MAX):
        assert not beginning or http.feed(beginning) is None
        assert http.feed(response(b"web-1")).backend == "web-1"
        assert http.is_idle


def test_the_rest_of_an_answer_is_not_taken_for_a_whole_one():
    """A body that looks like the response before it is a body all the same."""
    http, inner = codec(), response(b"web-1")
    outer = response(inner)
    head = outer[: -len(inner)]
    assert http.feed(inner).backend == "web-1"
    assert http.feed(head) is None
    assert http.feed(inner).backend == ""
