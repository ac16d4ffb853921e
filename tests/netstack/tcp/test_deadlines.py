"""How long is waited: user timeouts, and segments that become smaller when larger ones vanish."""

from __future__ import annotations

import errno

import pytest

from netstack.tcp.settings import TcpSettings
from netstack.tcp.states import State
from netstack.wire.tcp import Flag, Options

SYN, ACK = Flag.SYN, Flag.ACK
#: Without SACK there are no loss probes, and timeouts are alone.
OPTIONS = Options(mss=1400, window_scale=7)


def ended(connection):
    return connection.error is not None and connection.error.errno == errno.ETIMEDOUT


# TCP_USER_TIMEOUT (tcp(7), RFC 9293 §3.8.3).


def test_established_silence_ends_at_the_user_timeout(talk):
    connection = talk.accepted(OPTIONS)
    connection.set_option(talk.now, user_timeout_s=5.0)
    connection.write(b"data", talk.now)
    talk.hear()
    talk.wait(4.999)
    assert connection.error is None
    talk.wait(0.002)
    assert ended(connection)
    assert connection.state is State.CLOSED


def test_established_acknowledgments_put_the_user_timeout_off(talk):
    connection = talk.accepted(OPTIONS)
    connection.set_option(talk.now, user_timeout_s=5.0)
    for _ in range(4):
        connection.write(b"data", talk.now)
        talk.hear()
        talk.wait(4.0)
        talk.say(ACK)
    talk.wait(60.0)
    assert connection.error is None


def test_established_user_timeout_below_the_first_retransmission_waits_for_it(talk):
    """As Linux: what was sent is sent again once, however short the patience."""
    connection = talk.accepted(OPTIONS)
    connection.set_option(talk.now, user_timeout_s=0.05)
    connection.write(b"data", talk.now)
    talk.hear()
    timeout_s = connection.rtt.rto_s
    assert timeout_s > 0.05
    [again] = talk.wait(timeout_s + 0.001)
    assert again.payload == b"data"
    assert connection.error is None
    talk.wait(0.01)
    assert ended(connection)


def test_syn_sent_silence_ends_at_the_user_timeout(talk):
    connection = talk.connecting()
    connection.set_option(talk.now, user_timeout_s=10.0)
    talk.wait(9.999)
    assert connection.error is None
    talk.wait(0.002)
    assert ended(connection)


@pytest.mark.parametrize("answers", [True, False])
def test_established_zero_window_ends_at_the_user_timeout(talk, answers):
    """Even if the peer answers every probe: what was written cannot leave."""
    connection = talk.accepted(OPTIONS)
    talk.say(ACK, window=0)
    connection.set_option(talk.now, user_timeout_s=20.0)
    connection.write(b"data", talk.now)
    for _ in range(19):
        if talk.wait(1.0) and answers:
            talk.say(ACK, window=0)
    assert connection.error is None
    talk.wait(1.1)
    assert ended(connection)


def test_established_window_that_opens_puts_the_user_timeout_off(talk):
    connection = talk.accepted(OPTIONS)
    connection.set_option(talk.now, user_timeout_s=20.0)
    for _ in range(3):
        talk.say(ACK, window=0)
        connection.write(b"data", talk.now)
        talk.wait(15.0)
        [data] = talk.say(ACK, window=512)
        assert data.payload == b"data"
    assert connection.error is None


def test_established_user_timeout_counts_for_keepalive_instead_of_probes(talk):
    connection = talk.accepted(OPTIONS)
    connection.set_option(
        talk.now,
        keepalive=True,
        keepalive_idle_s=10,
        keepalive_interval_s=5,
        keepalive_probes=2,
        user_timeout_s=60.0,
    )
    talk.wait(59.9)
    assert connection.error is None
    talk.wait(5.0)
    assert ended(connection)


def test_established_user_timeout_of_zero_is_none(talk):
    connection = talk.accepted(OPTIONS)
    connection.set_option(talk.now, user_timeout_s=5.0)
    connection.set_option(talk.now, user_timeout_s=0.0)
    connection.write(b"data", talk.now)
    talk.wait(100.0)
    assert connection.error is None


# Black holes (RFC 4821 §7.7).


def sizes_of_retransmissions(talk, connection, seconds):
    connection.write(b"x" * 5000, talk.now)
    talk.hear()
    return [len(each.payload) for each in talk.wait(seconds)]


def test_established_black_hole_is_tried_with_smaller_segments(converse):
    talk = converse(TcpSettings(mtu_probing=1))
    connection = talk.accepted(OPTIONS)
    sizes = sizes_of_retransmissions(talk, connection, 13.0)
    assert sizes == [1400, 1400, 1400, 1024, 512, 256]
    [first] = talk.say(ACK, ack=talk.acknowledgment - 5000 + 256)[:1]
    assert len(first.payload) == 256
    assert connection.error is None


def test_established_black_hole_has_no_segments_below_the_floor(converse):
    talk = converse(TcpSettings(mtu_probing=1))
    connection = talk.accepted(OPTIONS)
    assert min(sizes_of_retransmissions(talk, connection, 800.0)) == 48


def test_established_silence_keeps_the_size_unless_it_is_set_so(talk):
    connection = talk.accepted(OPTIONS)
    assert set(sizes_of_retransmissions(talk, connection, 13.0)) == {1400}


def test_established_small_segments_are_not_made_larger(converse):
    talk = converse(TcpSettings(mtu_probing=1))
    connection = talk.accepted(Options(mss=600, window_scale=7))
    sizes = sizes_of_retransmissions(talk, connection, 7.0)
    assert sizes == [600, 600, 600, 300, 150]
