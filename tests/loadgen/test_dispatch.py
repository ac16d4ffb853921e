"""The dispatcher against connections that a test opens, answers and loses by hand."""

from __future__ import annotations

import pytest

from loadgen.dispatch import LINGERING_MAX, Dispatcher
from loadgen.plan import LoadPlan
from loadgen.report import Accumulator

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nweb-1"
CLOSING = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class FakeLink:
    def __init__(self, lane):
        self.lane = lane
        self.written, self.ended = [], ""

    def write(self, octets):
        self.written.append(octets)

    def close(self):
        self.ended = "closed"

    def abort(self):
        self.ended = "aborted"


class World:
    def __init__(self, **change):
        settings = {"url": "http://web/", "rate": 10, "duration_s": 9, "timeout_s": 1.0, **change}
        self.plan = LoadPlan(**settings)
        self.sums = Accumulator(self.plan, 1000.0)
        self.dispatcher = Dispatcher(self.plan, self.sums)
        self.dispatcher.connect = self._connect
        self.links = []

    def _connect(self, lane):
        self.links.append(FakeLink(lane))
        return self.links[-1]

    def due(self, moment):
        self.dispatcher.due(moment, moment)

    def opened(self, index, now):
        self.dispatcher.opened(self.links[index].lane, now)

    def received(self, index, octets, now):
        self.dispatcher.received(self.links[index].lane, octets, now)

    def lost(self, index, error, now):
        self.dispatcher.lost(self.links[index].lane, error, now)

    def report(self):
        return self.sums.report(1.0, 9.0)


def test_a_connection_is_kept_for_the_next_request():
    world = World()
    world.due(0.0)
    world.opened(0, 0.1)
    world.received(0, ANSWER, 0.2)
    world.due(0.3)
    world.received(0, ANSWER, 0.4)
    assert len(world.links) == 1
    assert len(world.links[0].written) == 2
    report = world.report()
    assert (report.ok, report.backends) == (2, {"web-1": 2})


def test_a_request_counts_from_its_moment_and_from_its_sending():
    world = World()
    world.due(0.0)
    world.opened(0, 0.5)
    world.received(0, ANSWER, 0.7)
    report = world.report()
    assert report.latency_s["max"] == pytest.approx(0.7, rel=0.001)
    assert report.uncorrected_s["max"] == pytest.approx(0.2, rel=0.001)


@pytest.mark.parametrize(
    ("change", "answer"), [({"fresh": True}, ANSWER), ({}, CLOSING)], ids=["fresh", "closing"]
)
def test_a_connection_that_is_not_kept_is_closed_and_its_place_is_free(change, answer):
    world = World(connections=1, **change)
    world.due(0.0)
    world.opened(0, 0.1)
    world.received(0, answer, 0.2)
    assert world.links[0].ended == "closed"
    world.due(0.3)
    assert len(world.links) == 2


def test_beyond_the_bound_requests_wait_in_order_and_beyond_the_queue_they_are_dropped():
    world = World(connections=1, queue=2)
    for moment in (0.0, 0.1, 0.2, 0.3):
        world.due(moment)
    assert len(world.links) == 1
    assert world.report().errors == {"dropped": 1}
    world.opened(0, 0.4)
    for now in (0.5, 0.6, 0.7):
        world.received(0, ANSWER, now)
    report = world.report()
    assert (report.ok, report.unfinished) == (3, 0)
    # Each of the three took half a second from its moment; the dropped one counts as 1 s.
    assert report.latency_s["p50"] == pytest.approx(0.5, rel=0.001)


def test_what_waited_to_the_end_without_being_sent_was_dropped():
    world = World(connections=1)
    world.due(0.0)
    world.opened(0, 0.0)
    world.due(0.5)
    world.dispatcher.expire(0.9)
    assert world.report().errors == {}
    world.dispatcher.expire(1.0)
    assert world.report().errors == {"timeout": 1}
    # The first gave its place to the second, which was sent on a new connection.
    assert len(world.links) == 2
    world.dispatcher.expire(1.5)
    assert world.links[1].ended == "aborted"
    assert world.report().errors == {"timeout": 2}


def test_a_request_whose_turn_never_comes_is_dropped_at_its_time_out():
    world = World(connections=1)
    world.due(0.0)
    world.due(0.0)
    world.opened(0, 0.0)
    world.dispatcher.expire(1.0)
    assert world.report().errors == {"timeout": 1, "dropped": 1}


def test_an_answer_after_the_time_out_is_late():
    world = World()
    world.due(0.0)
    world.opened(0, 0.0)
    world.dispatcher.expire(1.0)
    assert world.report().errors == {"timeout": 1}
    world.received(0, ANSWER, 1.5)
    report = world.report()
    assert report.errors == {"late": 1}
    assert report.series[0].errors == {"late": 1}
    assert report.unfinished == 0


def test_an_answer_that_overtakes_the_look_at_the_clock_is_late_too():
    world = World()
    world.due(0.0)
    world.opened(0, 0.0)
    world.received(0, ANSWER, 1.1)
    world.dispatcher.expire(1.2)
    assert world.report().errors == {"late": 1}


def test_a_given_up_connection_is_listened_to_for_as_long_again_and_holds_no_place():
    world = World(connections=1)
    world.due(0.0)
    world.opened(0, 0.0)
    world.dispatcher.expire(1.0)
    world.due(1.1)
    assert len(world.links) == 2
    world.dispatcher.expire(1.9)
    assert world.links[0].ended == ""
    world.dispatcher.expire(2.0)
    assert world.links[0].ended == "aborted"


def test_given_up_connections_have_a_bound():
    world = World(connections=LINGERING_MAX + 1)
    for _ in range(LINGERING_MAX + 1):
        world.due(0.0)
    for index in range(LINGERING_MAX + 1):
        world.opened(index, 0.0)
    world.dispatcher.expire(1.0)
    assert [link.ended for link in world.links].count("aborted") == 1


def test_a_kept_connection_that_was_closed_is_replaced_once():
    world = World()
    world.due(0.0)
    world.opened(0, 0.0)
    world.received(0, ANSWER, 0.1)
    world.due(0.2)
    world.lost(0, ConnectionResetError(), 0.3)
    world.opened(1, 0.4)
    world.received(1, ANSWER, 0.5)
    report = world.report()
    assert (report.ok, report.retried) == (2, 1)


def test_a_request_is_sent_again_only_once():
    world = World(connections=2)
    for _ in range(2):
        world.due(0.0)
    for index in range(2):
        world.opened(index, 0.0)
        world.received(index, ANSWER, 0.1)
    world.due(0.2)
    world.lost(1, None, 0.3)
    world.opened(2, 0.3)
    world.lost(2, None, 0.4)
    assert world.report().errors == {"closed": 1}


def test_what_must_not_be_sent_twice_fails():
    world = World(method="POST")
    world.due(0.0)
    world.opened(0, 0.0)
    world.received(0, ANSWER, 0.1)
    world.due(0.2)
    world.lost(0, ConnectionResetError(), 0.3)
    assert world.report().errors == {"reset": 1}


@pytest.mark.parametrize(
    ("error", "kind"),
    [(None, "closed"), (ConnectionResetError(), "reset"), (ConnectionRefusedError(), "refused")],
)
def test_a_new_connection_that_ends_without_an_answer_fails(error, kind):
    world = World()
    world.due(0.0)
    world.opened(0, 0.0)
    world.lost(0, error, 0.1)
    assert world.report().errors == {kind: 1}


def test_half_an_answer_is_bad_and_a_connection_that_cannot_be_made_has_its_own_reason():
    world = World()
    world.due(0.0)
    world.opened(0, 0.0)
    world.received(0, ANSWER[:-1], 0.1)
    world.lost(0, None, 0.2)
    world.due(0.3)
    world.lost(1, ConnectionRefusedError(), 0.4)
    world.due(0.5)
    world.opened(2, 0.5)
    world.received(2, b"hello\r\n\r\n", 0.6)
    assert world.report().errors == {"bad-response": 2, "refused": 1}


def test_an_answer_that_ends_with_the_stream_is_an_answer():
    world = World()
    world.due(0.0)
    world.opened(0, 0.0)
    world.received(0, b"HTTP/1.0 200 OK\r\n\r\nweb", 0.1)
    world.lost(0, None, 0.2)
    assert world.report().backends == {"web": 1}


def test_octets_that_nobody_asked_for_end_the_connection():
    world = World()
    world.due(0.0)
    world.opened(0, 0.0)
    world.received(0, ANSWER, 0.1)
    world.received(0, ANSWER, 0.2)
    world.due(0.3)
    assert len(world.links) == 2
    assert world.report().errors == {}


def test_an_idle_connection_that_was_closed_is_not_used():
    world = World()
    world.due(0.0)
    world.opened(0, 0.0)
    world.received(0, ANSWER, 0.1)
    world.lost(0, None, 0.2)
    world.due(0.3)
    assert len(world.links) == 2


def test_closing_ends_everything_and_what_is_told_later_is_left_out():
    world = World()
    world.due(0.0)
    world.due(0.1)
    world.opened(0, 0.1)
    world.dispatcher.close()
    assert [link.ended for link in world.links] == ["aborted", "aborted"]
    world.lost(0, None, 0.2)
    world.opened(1, 0.2)
    assert world.report().unfinished == 2


def test_a_place_that_becomes_free_too_late_for_the_next_is_the_one_after_its():
    world = World(connections=1)
    for moment in (0.0, 0.1, 1.0):
        world.due(moment)
    world.opened(0, 0.2)
    world.received(0, CLOSING, 1.15)  # Before anybody looked at the clock.
    assert world.report().errors == {"late": 1, "dropped": 1}
    world.opened(1, 1.2)
    world.received(1, ANSWER, 1.3)
    assert world.report().ok == 1
