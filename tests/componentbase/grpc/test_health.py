"""Messages of grpc.health.v1."""

from __future__ import annotations

import pytest

from componentbase.grpc import health
from componentbase.grpc.health import ServingStatus


@pytest.mark.parametrize("service", ["", "liveness", "ü" * 200])
def test_requests_are_read_as_they_were_written(service):
    assert health.parse_request(health.emit_request(service)) == service


@pytest.mark.parametrize("status", ServingStatus)
def test_responses_are_read_as_they_were_written(status):
    assert health.parse_response(health.emit_response(status)) == status.name


def test_a_status_without_a_name_is_a_number_and_other_fields_are_passed_over():
    others = bytes.fromhex("1a0161 2101020304050607082d01020304 1005")
    assert health.parse_response(others + b"\x08\x90\x03") == "400"
    assert health.parse_request(others + b"\x0a\x01x") == "x"


@pytest.mark.parametrize("octets", [b"\x0b", b"\x0a\x05ab", b"\x08" + b"\x80" * 11, b"\x08"])
def test_what_is_no_message_is_refused(octets):
    with pytest.raises(ValueError, match="protobuf"):
        health.parse_response(octets)
