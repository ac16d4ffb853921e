"""Too many requests at once are refused, and places come back."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from controlplane.apiserver.authn import User
from controlplane.apiserver.inflight import InFlight
from controlplane.apiserver.request_info import parse_request_info
from kubeapi.status import StatusError

SOMEBODY, ADMIN = User("x"), User("admin", ("system:masters",))
READ = parse_request_info("GET", "/api/v1/pods", {})
WRITE = parse_request_info("POST", "/api/v1/namespaces/a/pods", {})
WATCH = parse_request_info("GET", "/api/v1/pods", {"watch": "1"})
LOG = parse_request_info("GET", "/api/v1/namespaces/a/pods/p/log", {})


def test_reads_and_writes_have_room_of_their_own():
    in_flight = InFlight(reads_max=2, writes_max=1)
    with ExitStack() as held:
        for info in (READ, READ, WRITE, WATCH, LOG, WATCH):
            held.enter_context(in_flight.request(info, SOMEBODY))
        for info in (READ, WRITE):
            with pytest.raises(StatusError) as refused, in_flight.request(info, SOMEBODY):
                pass
            assert (refused.value.code, refused.value.retry_after_s) == (429, 1)
        held.enter_context(in_flight.request(WRITE, ADMIN))
        with pytest.raises(StatusError), in_flight.request(WRITE, ADMIN):
            pass
    with in_flight.request(READ, SOMEBODY), in_flight.request(WRITE, SOMEBODY):
        pass


def test_a_request_that_fails_gives_its_place_back():
    in_flight = InFlight(reads_max=1, writes_max=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), in_flight.request(READ, SOMEBODY):
            raise ValueError("broken")
