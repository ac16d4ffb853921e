"""How a call ended, as headers tell it and as Go words it."""

from __future__ import annotations

import pytest

from componentbase.grpc.status import NOT_FOUND, Status, status_of


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"grpc-status": "0"}, "rpc error: code = OK desc = "),
        (
            {":status": "200", "grpc-status": "5", "grpc-message": "100%25 gone"},
            "rpc error: code = NotFound desc = 100% gone",
        ),
        ({"grpc-status": "99"}, "rpc error: code = Code(99) desc = "),
        ({"grpc-status": "-1"}, "rpc error: code = Unknown desc = malformed grpc-status: '-1'"),
        (
            {":status": "404"},
            "rpc error: code = Unimplemented desc = "
            "unexpected HTTP status code received from server: 404",
        ),
    ],
)
def test_headers_tell_a_status(headers, words):
    assert str(status_of(headers)) == words


def test_headers_may_tell_none():
    assert status_of({":status": "200"}) is None


def test_any_message_survives_its_trailer():
    status = Status(NOT_FOUND, "100 % of\nwünsche")
    assert status_of(dict(status.headers())) == status
