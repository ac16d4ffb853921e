"""Conversations with one host, segment by segment, as a peer sees them.

The peer is written by hand: it says exactly what a test tells it to, and shows what comes back.
"""

from __future__ import annotations

import errno
import itertools
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from netstack.drops import DropReason
from netstack.tcp.settings import TcpSettings
from netstack.tcp.states import State
from netstack.wire.icmp import Unreachable
from netstack.wire.ipv4 import PROTOCOL_TCP, Ipv4
from netstack.wire.tcp import Flag, Options, Tcp

HOST, PEER = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
SYN, ACK, FIN, RST, PSH = Flag.SYN, Flag.ACK, Flag.FIN, Flag.RST, Flag.PSH
OPTIONS = Options(mss=1000, window_scale=7, sack_permitted=True)


def flags_of(segments):
    return [each.flags for each in segments]


# Opening.


def test_closed_syn_is_answered_by_reset(talk):
    [answer] = talk.say(SYN)
    assert answer.flags == RST | ACK
    assert (answer.sequence, answer.acknowledgment) == (0, 5001)
    assert talk.host.drops[DropReason.TCP_NO_SOCKET] == 1


def test_closed_ack_is_answered_by_reset_with_its_number(talk):
    [answer] = talk.say(ACK, ack=777)
    assert (answer.flags, answer.sequence) == (RST, 777)


def test_closed_reset_is_not_answered(talk):
    assert talk.say(RST) == []


def test_listen_syn_makes_a_connection(talk):
    listener = talk.host.tcp_listen(None, 80)
    [answer] = talk.say(SYN, options=OPTIONS)
    assert answer.flags == SYN | ACK
    assert answer.acknowledgment == 5001
    assert answer.options.mss == 1460
    assert answer.options.window_scale == 5
    assert answer.options.sack_permitted
    assert listener.accept() is None
    assert talk.say(ACK) == []
    connection = listener.accept()
    assert connection.state is State.ESTABLISHED
    assert connection.remote == (PEER, 4000)


def test_listen_syn_without_options_offers_none(talk):
    talk.host.tcp_listen(None, 80)
    [answer] = talk.say(SYN)
    assert answer.options == Options(mss=1460)


def test_listen_ack_is_answered_by_reset(talk):
    talk.host.tcp_listen(None, 80)
    assert flags_of(talk.say(ACK, ack=9)) == [RST]


def test_listen_full_accept_queue_drops_syn(talk):
    talk.host.tcp_listen(None, 80, backlog=1)
    talk.say(SYN)
    talk.say(ACK)
    talk.peer_port, talk.sequence = 4001, 9000
    assert talk.say(SYN) == []
    assert talk.host.drops[DropReason.TCP_ACCEPT_QUEUE_FULL] == 1


def test_listen_full_accept_queue_delays_the_last_ack(talk):
    listener = talk.host.tcp_listen(None, 80, backlog=1)
    talk.say(SYN)
    first = talk.sequence, talk.acknowledgment
    talk.peer_port, talk.sequence, talk.acknowledgment = 4001, 9000, 0
    talk.say(SYN)
    talk.say(ACK)
    talk.peer_port, (talk.sequence, talk.acknowledgment) = 4000, first
    assert talk.say(ACK) == []
    assert listener.accept().remote == (PEER, 4001)
    again = [each for each in talk.wait(1.5) if each.destination_port == 4000]
    assert flags_of(again) == [SYN | ACK]
    talk.say(ACK)
    assert listener.accept().remote == (PEER, 4000)


def test_syn_received_repeated_syn_is_answered_again(talk):
    talk.host.tcp_listen(None, 80)
    talk.say(SYN)
    [again] = talk.say(SYN, sequence=5000)
    assert again.flags == SYN | ACK


def test_syn_received_wrong_ack_is_answered_by_reset(talk):
    listener = talk.host.tcp_listen(None, 80)
    [answer] = talk.say(SYN)
    [reset] = talk.say(ACK, ack=answer.sequence + 99)
    assert (reset.flags, reset.sequence) == (RST, answer.sequence + 99)
    assert listener.accept() is None


def test_syn_received_silence_repeats_and_gives_up(talk):
    listener = talk.host.tcp_listen(None, 80)
    talk.say(SYN)
    assert flags_of(talk.wait(200)) == [SYN | ACK] * TcpSettings().synack_retries
    assert not talk.host.tcp.connections()
    assert listener.accept() is None


def test_syn_received_listener_close_resets(talk):
    listener = talk.host.tcp_listen(None, 80)
    talk.say(SYN)
    listener.close(talk.now)
    assert flags_of(talk.hear()) == [RST | ACK]
    assert not talk.host.tcp.connections()


def test_syn_sent_syn_ack_establishes(talk):
    connection = talk.connecting()
    assert talk.syn.options.mss == 1460
    assert talk.syn.options.timestamps is not None
    assert flags_of(talk.say(SYN | ACK, options=OPTIONS)) == [ACK]
    assert connection.established


def test_syn_sent_reset_is_connection_refused(talk):
    connection = talk.connecting()
    talk.say(RST | ACK)
    assert connection.closed
    assert connection.error.errno == errno.ECONNREFUSED


def test_syn_sent_reset_with_wrong_ack_is_ignored(talk):
    connection = talk.connecting()
    talk.say(RST | ACK, ack=talk.acknowledgment + 1)
    assert connection.state is State.SYN_SENT


def test_syn_sent_syn_ack_with_wrong_ack_is_reset(talk):
    connection = talk.connecting()
    assert flags_of(talk.say(SYN | ACK, ack=1)) == [RST]
    assert connection.state is State.SYN_SENT


def test_syn_sent_syn_opens_simultaneously(talk):
    connection = talk.connecting()
    assert flags_of(talk.say(SYN, options=OPTIONS)) == [SYN | ACK]
    assert connection.state is State.SYN_RECEIVED
    assert flags_of(talk.say(SYN | ACK, sequence=5000)) == [ACK]
    assert connection.state is State.ESTABLISHED


def test_syn_sent_silence_backs_off_and_times_out(talk):
    connection = talk.connecting()
    moments = []
    while not connection.closed:
        moments += [talk.now for _ in talk.wait(0.5)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert gaps == [2, 4, 8, 16, 32]
    assert connection.error.errno == errno.ETIMEDOUT


def test_syn_sent_host_unreachable_is_an_error(talk):
    connection = talk.connecting()
    talk.icmp(talk.syn, Unreachable.HOST)
    assert connection.error.errno == errno.EHOSTUNREACH


def test_syn_sent_close_forgets(talk):
    connection = talk.connecting()
    connection.close(talk.now)
    assert connection.closed
    assert talk.wait(100) == []


# Data.


def test_established_data_is_acknowledged_late_and_read(talk):
    connection = talk.accepted()
    assert talk.say(ACK | PSH, b"hello") == []
    assert connection.readable_octets == 5
    [acknowledgment] = talk.wait(0.05)
    assert acknowledgment.acknowledgment == talk.sequence
    assert connection.read(3, talk.now) == b"hel"
    assert connection.read(99, talk.now) == b"lo"
    assert connection.read(99, talk.now) == b""
    assert not connection.end_of_stream


def test_established_second_segment_is_acknowledged_at_once(talk):
    talk.accepted()
    assert talk.say(ACK, b"a" * 1000) == []
    assert flags_of(talk.say(ACK, b"b" * 1000)) == [ACK]


def test_established_answer_carries_the_acknowledgment(talk):
    connection = talk.accepted()
    connection.on_change = lambda: connection.write(connection.read(99, talk.now), talk.now)
    [echo] = talk.say(ACK | PSH, b"hello")
    assert (echo.payload, echo.acknowledgment) == (b"hello", talk.sequence)
    assert talk.wait(0.1) == []


def test_established_gap_is_held_and_reported(talk):
    connection = talk.accepted()
    start = talk.sequence
    [duplicate] = talk.say(ACK, b"world", sequence=start + 5)
    assert duplicate.acknowledgment == start
    assert duplicate.options.sack == ((start + 5, start + 10),)
    [acknowledgment] = talk.say(ACK, b"hello", sequence=start)
    assert acknowledgment.acknowledgment == start + 10
    assert connection.read(99, talk.now) == b"helloworld"


def test_established_retransmission_is_acknowledged_and_not_repeated(talk):
    connection = talk.accepted()
    start = talk.sequence
    talk.say(ACK, b"hello")
    assert flags_of(talk.say(ACK, b"hello", sequence=start)) == [ACK]
    assert flags_of(talk.say(ACK, b"hello world", sequence=start)) == [ACK]
    assert connection.read(99, talk.now) == b"hello world"


def test_established_duplicates_are_reported(talk):
    """D-SACK (RFC 2883): the duplicate first, then the block that contains it."""
    talk.accepted()
    start = talk.sequence
    talk.say(ACK, b"x" * 100)
    [whole] = talk.say(ACK, b"x" * 100, sequence=start)
    assert whole.options.sack == ((start, start + 100),)
    [partly] = talk.say(ACK, b"x" * 100, sequence=start + 50)
    assert partly.options.sack == ((start + 50, start + 100),)
    talk.say(ACK, b"y" * 100, sequence=start + 500)
    [held] = talk.say(ACK, b"y" * 50, sequence=start + 520)
    assert held.options.sack == ((start + 520, start + 570), (start + 500, start + 600))
    [filled] = talk.say(ACK, b"x" * 400, sequence=start + 150)
    assert filled.options.sack == ((start + 500, start + 550),)
    assert filled.acknowledgment == start + 600
    assert talk.say(ACK, sequence=start + 600) == []


def test_established_duplicates_are_not_reported_to_a_peer_without_sack(talk):
    talk.accepted(Options(mss=1000))
    start = talk.sequence
    talk.say(ACK, b"x" * 100)
    [again] = talk.say(ACK, b"x" * 100, sequence=start)
    assert again.options.sack == ()


def test_established_data_beyond_the_window_is_cut(talk):
    connection = talk.accepted(Options(mss=1000))
    talk.say(ACK, b"x" * 1000, sequence=talk.sequence + 65536)
    assert connection.readable_octets == 0
    assert talk.host.drops[DropReason.TCP_UNACCEPTABLE] == 1


def test_established_small_write_waits_for_the_first(talk):
    connection = talk.accepted()
    connection.write(b"one", talk.now)
    connection.write(b"two", talk.now)
    connection.write(b"three", talk.now)
    assert [each.payload for each in talk.hear()] == [b"one"]
    assert connection.unsent_octets == 8
    assert [each.payload for each in talk.say(ACK)] == [b"twothree"]


def test_established_small_rest_of_a_large_write_does_not_wait(talk):
    connection = talk.accepted()
    connection.write(b"x" * 2500, talk.now)
    assert [len(each.payload) for each in talk.hear()] == [1000, 1000, 500]


def test_established_nodelay_write_does_not_wait(talk):
    connection = talk.accepted()
    connection.set_option(talk.now, nodelay=True)
    connection.write(b"one", talk.now)
    connection.write(b"two", talk.now)
    assert [each.payload for each in talk.hear()] == [b"one", b"two"]


def test_established_write_respects_initial_window_and_mss(talk):
    connection = talk.accepted()
    assert connection.write(b"x" * 50_000, talk.now) == 50_000
    assert [len(each.payload) for each in talk.hear()] == [1000] * 10
    assert len(talk.say(ACK)) == 20


def test_established_write_respects_the_peers_window(talk):
    connection = talk.accepted(Options(mss=1000))
    talk.say(ACK, window=2500)
    connection.write(b"x" * 50_000, talk.now)
    assert [len(each.payload) for each in talk.hear()] == [1000, 1000]


def test_established_full_send_buffer_takes_no_more(talk):
    connection = talk.accepted()
    room = connection.writable_octets
    assert connection.write(b"x" * (room + 9), talk.now) == room
    assert connection.write(b"x", talk.now) == 0


def test_established_silence_retransmits_with_back_off(talk):
    connection = talk.accepted()
    talk.wait(0.01)
    connection.write(b"hello", talk.now)
    talk.hear()
    first = talk.now
    moments = []
    while talk.now < first + 4:
        moments += [talk.now - first for each in talk.wait(0.01) if each.payload == b"hello"]
    # A loss probe when the timeout is due, then timeouts that double.
    assert moments == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2], abs=0.02)


def test_established_long_silence_times_out(converse):
    talk = converse(TcpSettings(retries=3))
    connection = talk.accepted()
    connection.write(b"hello", talk.now)
    assert len(talk.wait(100)) == 1 + 1 + 3  # What was written, a probe, retries.
    assert connection.error.errno == errno.ETIMEDOUT


def test_established_three_duplicates_retransmit_the_first(talk):
    connection = talk.accepted(Options(mss=1000, window_scale=7))
    connection.write(b"x" * 10_000, talk.now)
    first = talk.hear()[0]
    assert talk.say(ACK, ack=first.sequence) == []
    assert talk.say(ACK, ack=first.sequence) == []
    [again] = talk.say(ACK, ack=first.sequence)
    assert (again.sequence, again.payload) == (first.sequence, first.payload)


def test_established_sack_retransmits_only_the_gap(talk):
    connection = talk.accepted()
    connection.write(b"x" * 10_000, talk.now)
    segments = talk.hear()
    start = segments[0].sequence
    sack = Options(sack=((start + 1000, start + 4000),))
    [again] = talk.say(ACK, ack=start, options=sack)
    assert (again.sequence, len(again.payload)) == (start, 1000)
    assert talk.say(ACK, ack=start + 10_000) == []


def test_established_report_of_a_duplicate_sends_nothing_again(talk):
    connection = talk.accepted()
    connection.write(b"x" * 3000, talk.now)
    start = talk.hear()[0].sequence
    duplicate = Options(sack=((start, start + 1000),))
    assert talk.say(ACK, ack=start + 3000, options=duplicate) == []
    assert connection.established


def test_established_zero_window_is_probed(talk):
    connection = talk.accepted()
    talk.say(ACK, window=0)
    connection.write(b"hello", talk.now)
    assert talk.hear() == []
    probes = talk.wait(3)
    assert probes
    assert all(each.payload == b"" and each.sequence == probes[0].sequence for each in probes)
    assert [each.payload for each in talk.say(ACK, window=512)] == [b"hello"]


def test_established_window_that_stays_small_is_used_in_the_end(talk):
    connection = talk.accepted(Options(mss=1000))
    talk.say(ACK, window=8000)
    talk.say(ACK, window=500)
    connection.write(b"x" * 1200, talk.now)
    assert talk.hear() == []
    assert [len(each.payload) for each in talk.wait(0.25)] == [500]


def test_established_window_that_shrinks_is_where_we_acknowledge(talk):
    """What is beyond it the peer would drop, and with it the news that its data has arrived."""
    connection = talk.accepted(Options(mss=1000, window_scale=10))
    connection.write(b"x" * 5000, talk.now)
    sent = talk.hear()
    talk.say(ACK, ack=sent[3].sequence, window=1)
    for octets in (b"hello", b"again"):
        talk.say(ACK, octets, ack=sent[3].sequence, window=1)
    [answer] = talk.say(ACK, b"!", ack=sent[3].sequence, window=1) + talk.wait(0.05)
    assert answer.sequence == sent[3].sequence + 1024
    assert answer.sequence < sent[4].sequence + 1000
    assert answer.acknowledgment == talk.sequence & 0xFFFFFFFF


def test_established_reader_that_catches_up_opens_the_window(talk):
    connection = talk.accepted()
    while connection.readable_octets < TcpSettings().receive_buffer_octets:
        last = talk.say(ACK, b"x" * 8192)
    assert last[-1].window == 0
    connection.read(1 << 20, talk.now)
    [update] = talk.hear()
    assert update.window << 5 == TcpSettings().receive_buffer_octets


def test_established_keepalive_probes_and_gives_up(talk):
    connection = talk.accepted()
    connection.set_option(
        talk.now, keepalive=True, keepalive_idle_s=10, keepalive_interval_s=5, keepalive_probes=2
    )
    [probe] = talk.wait(11)
    assert probe.sequence == talk.acknowledgment - 1
    talk.say(ACK)
    assert talk.wait(10.5) != []
    assert not connection.closed
    talk.wait(20)
    assert connection.error.errno == errno.ETIMEDOUT


def test_established_fragmentation_needed_cuts_again(talk):
    connection = talk.accepted(Options(mss=1460, window_scale=7))
    connection.write(b"x" * 2920, talk.now)
    first = talk.hear()[0]
    assert len(first.payload) == 1460
    again = talk.icmp(first, Unreachable.FRAGMENTATION_NEEDED, mtu=1000)
    assert [len(each.payload) for each in again][:2] == [960, 960]
    assert again[0].sequence == first.sequence


# Doubtful segments (RFC 5961, RFC 7323).


def test_established_syn_is_challenged(talk):
    connection = talk.accepted()
    assert flags_of(talk.say(SYN, sequence=talk.sequence + 5)) == [ACK]
    assert connection.established


def test_established_exact_reset_closes(talk):
    connection = talk.accepted()
    talk.say(RST)
    assert connection.closed
    assert connection.error.errno == errno.ECONNRESET


def test_established_reset_in_the_window_is_challenged(talk):
    connection = talk.accepted()
    assert flags_of(talk.say(RST, sequence=talk.sequence + 1)) == [ACK]
    assert connection.established


def test_established_reset_outside_the_window_is_ignored(talk):
    connection = talk.accepted()
    assert talk.say(RST, sequence=talk.sequence - 9) == []
    assert connection.established


def test_established_ack_of_unsent_data_is_challenged(talk):
    connection = talk.accepted()
    [answer] = talk.say(ACK, b"evil", ack=talk.acknowledgment + 1)
    assert answer.acknowledgment == talk.sequence - 4
    assert connection.readable_octets == 0


def test_established_old_timestamp_is_dropped(talk):
    connection = talk.accepted(Options(mss=1000, timestamps=(5000, 0)))
    talk.say(ACK, b"new", options=Options(timestamps=(6000, 0)))
    talk.wait(0.1)
    [answer] = talk.say(ACK, b"old", options=Options(timestamps=(5500, 0)))
    assert answer.acknowledgment == talk.sequence - 3
    assert connection.read(99, talk.now) == b"new"
    assert talk.host.drops[DropReason.TCP_PAWS] == 1


def test_established_wrong_checksum_is_dropped(talk):
    connection = talk.accepted()
    segment = Tcp(source_port=4000, destination_port=80, sequence=talk.sequence, flags=ACK)
    octets = bytearray(segment.emit(PEER, HOST))
    octets[16] ^= 0x10
    talk._send(PROTOCOL_TCP, bytes(octets))
    assert talk.host.drops[DropReason.TCP_CHECKSUM] == 1
    assert connection.established


# Closing.


def test_established_close_sends_fin_then_waits(talk):
    connection = talk.accepted()
    connection.close(talk.now)
    [fin] = talk.hear()
    assert fin.flags == FIN | ACK
    assert connection.state is State.FIN_WAIT_1
    talk.say(ACK)
    assert connection.state is State.FIN_WAIT_2
    assert flags_of(talk.say(FIN | ACK)) == [ACK]
    assert connection.state is State.TIME_WAIT
    talk.wait(TcpSettings().time_wait_s + 0.1)
    assert connection.state is State.CLOSED
    assert connection.error is None


def test_established_close_sends_data_before_fin(talk):
    connection = talk.accepted()
    connection.write(b"bye", talk.now)
    connection.write(b"bye", talk.now)
    connection.close(talk.now)
    [data, last] = talk.hear()
    assert (data.payload, last.payload, last.flags & FIN) == (b"bye", b"bye", FIN)


def test_what_waits_for_more_leaves_with_the_fin(talk):
    connection = talk.accepted()
    assert connection.write(b"by", talk.now, more=True) == 2
    assert connection.write(b"e", talk.now, more=True) == 1
    assert talk.hear() == []
    connection.close(talk.now)
    [last] = talk.hear()
    assert (last.payload, last.flags & FIN) == (b"bye", FIN)


def test_what_waits_for_more_leaves_with_push(talk):
    connection = talk.accepted()
    connection.write(b"by", talk.now, more=True)
    connection.write(b"e", talk.now, more=True)
    connection.push(talk.now)
    assert [each.payload for each in talk.hear()] == [b"bye"]


def test_what_the_user_says_at_once_carries_the_last_acknowledgment(talk):
    connection = talk.connecting()
    connection.on_change = lambda: connection.write(b"hello", talk.now)
    [only] = talk.say(SYN | ACK, options=OPTIONS)
    assert (only.payload, only.flags & ACK) == (b"hello", ACK)


def test_the_users_fin_carries_the_acknowledgment_of_the_peers(talk):
    connection = talk.accepted()
    assert talk.say(FIN | ACK) == []
    connection.close(talk.now)
    [fin] = talk.hear()
    assert fin.flags == FIN | ACK
    assert fin.acknowledgment == talk.sequence


def test_established_peer_fin_ends_the_stream(talk):
    connection = talk.accepted()
    assert talk.say(FIN | ACK | PSH, b"last") == []
    assert connection.state is State.CLOSE_WAIT
    assert not connection.end_of_stream
    assert connection.read(99, talk.now) == b"last"
    assert connection.end_of_stream
    assert flags_of(talk.wait(0.05)) == [ACK]
    assert connection.write(b"answer", talk.now) == 6
    assert [each.payload for each in talk.hear()] == [b"answer"]
    connection.close(talk.now)
    assert connection.state is State.LAST_ACK
    talk.hear()
    talk.say(ACK)
    assert connection.state is State.CLOSED


def test_established_fin_before_its_data_waits(talk):
    connection = talk.accepted()
    start = talk.sequence
    talk.say(FIN | ACK, b"world", sequence=start + 5)
    assert connection.state is State.ESTABLISHED
    talk.say(ACK, b"hello", sequence=start)
    assert connection.state is State.CLOSE_WAIT
    assert connection.read(99, talk.now) == b"helloworld"
    assert connection.end_of_stream


def test_fin_wait_1_fin_without_ack_closes_simultaneously(talk):
    connection = talk.accepted()
    before = talk.acknowledgment
    connection.close(talk.now)
    talk.hear()
    talk.say(FIN | ACK, ack=before)
    assert connection.state is State.CLOSING
    talk.say(ACK)
    assert connection.state is State.TIME_WAIT


def test_fin_wait_1_lost_fin_is_sent_again(talk):
    connection = talk.accepted()
    connection.close(talk.now)
    talk.hear()
    assert flags_of(talk.wait(0.3)) == [FIN | ACK]


def test_fin_wait_2_half_closed_still_receives(talk):
    connection = talk.accepted()
    connection.shutdown_write(talk.now)
    talk.hear()
    talk.say(ACK)
    talk.say(ACK, b"more")
    assert connection.read(99, talk.now) == b"more"
    assert connection.write(b"x", talk.now) == 0


def test_fin_wait_2_data_after_close_is_reset(talk):
    connection = talk.accepted()
    connection.close(talk.now)
    talk.hear()
    talk.say(ACK)
    assert flags_of(talk.say(ACK, b"too late")) == [RST | ACK]
    assert connection.closed


def test_fin_wait_2_without_user_ends_in_time(talk):
    connection = talk.accepted()
    connection.close(talk.now)
    talk.hear()
    talk.say(ACK)
    talk.wait(TcpSettings().fin_timeout_s + 1)
    assert connection.state is State.CLOSED


def test_time_wait_repeated_fin_is_acknowledged(talk):
    connection = talk.accepted()
    connection.close(talk.now)
    talk.hear()
    talk.say(FIN | ACK)
    assert connection.state is State.TIME_WAIT
    assert flags_of(talk.say(FIN | ACK, sequence=talk.sequence - 1)) == [ACK]


def test_time_wait_new_syn_opens_anew(talk):
    connection = talk.accepted()
    connection.close(talk.now)
    talk.hear()
    talk.say(FIN | ACK)
    talk.sequence += 10_000
    assert flags_of(talk.say(SYN)) == [SYN | ACK]
    assert connection.state is State.CLOSED


def test_time_wait_reset_is_ignored(talk):
    """TIME-WAIT assassination (RFC 1337): an old segment, our answer, the peer's RST to that."""
    connection = talk.accepted()
    connection.close(talk.now)
    talk.hear()
    talk.say(FIN | ACK)
    assert flags_of(talk.say(ACK, b"old", sequence=talk.sequence - 100)) == [ACK]
    assert talk.say(RST) == []
    assert connection.state is State.TIME_WAIT


def test_time_wait_beyond_the_bound_is_skipped(converse):
    talk = converse(TcpSettings(time_wait_max=0))
    connection = talk.accepted()
    connection.close(talk.now)
    talk.hear()
    assert flags_of(talk.say(FIN | ACK)) == [ACK]
    assert connection.state is State.CLOSED
    assert talk.host.drops[DropReason.TCP_TIME_WAIT_FULL] == 1


@pytest.mark.parametrize("lost", [b"", b"lost"])
def test_last_ack_reset_is_an_error_only_if_data_was_lost(talk, lost):
    connection = talk.accepted()
    talk.say(FIN | ACK)
    connection.write(lost, talk.now)
    connection.close(talk.now)
    talk.hear()
    assert connection.state is State.LAST_ACK
    talk.say(RST)
    assert connection.state is State.CLOSED
    assert (connection.error is not None) is bool(lost)


def test_established_abort_sends_reset(talk):
    connection = talk.accepted()
    connection.abort(talk.now)
    assert flags_of(talk.hear()) == [RST | ACK]
    assert connection.closed
    assert not talk.host.tcp.connections()


def test_established_close_with_unread_data_sends_reset(talk):
    connection = talk.accepted()
    talk.say(ACK, b"nobody reads me")
    connection.close(talk.now)
    assert flags_of(talk.hear()) == [RST | ACK]


def test_close_wait_reset_is_a_broken_pipe(talk):
    connection = talk.accepted()
    talk.say(FIN | ACK)
    talk.say(RST)
    assert connection.error.errno == errno.EPIPE


def test_syn_received_close_resets(talk):
    connection = talk.connecting()
    talk.say(SYN, options=OPTIONS)
    connection.close(talk.now)
    assert flags_of(talk.hear()) == [RST | ACK]
    assert connection.state is State.CLOSED


def test_fin_wait_1_lost_data_and_fin_come_together_again(talk):
    connection = talk.accepted()
    connection.set_option(talk.now, nodelay=True)
    connection.write(b"x" * 500, talk.now)
    connection.write(b"y" * 500, talk.now)
    connection.close(talk.now)
    assert len(talk.hear()) == 3
    again = talk.wait(0.25)[-1]
    assert again.payload == b"x" * 500 + b"y" * 500
    assert again.flags & FIN


def test_established_zero_window_without_answers_times_out(converse):
    talk = converse(TcpSettings(retries=3))
    connection = talk.accepted()
    talk.say(ACK, window=0)
    connection.write(b"hello", talk.now)
    talk.wait(60)
    assert connection.error.errno == errno.ETIMEDOUT


def test_malformed_segments_are_counted_and_not_answered(talk):
    talk.accepted()
    before = talk.host.drops[DropReason.TCP_MALFORMED]
    segment = Tcp(source_port=4000, destination_port=80, sequence=talk.sequence, flags=ACK)
    for port in (80, 81):
        octets = bytearray(replace(segment, destination_port=port).emit(PEER, HOST))
        octets[12] = 0x40  # A header of 16 octets.
        octets[16] += 0x10
        talk._send(PROTOCOL_TCP, bytes(octets))
    talk._send(PROTOCOL_TCP, bytes(19))
    assert talk.host.drops[DropReason.TCP_MALFORMED] == before + 3
    assert talk.hear() == []


def test_established_segment_without_ack_is_ignored(talk):
    connection = talk.accepted()
    talk.say(PSH, b"no ack")
    assert connection.readable_octets == 0


def test_established_very_old_ack_is_challenged(talk):
    talk.accepted()
    assert flags_of(talk.say(ACK, ack=talk.acknowledgment - 100_000)) == [ACK]


def test_established_challenges_come_twice_a_second(talk):
    talk.accepted()
    for _ in range(3):
        challenges = sum(len(talk.say(SYN, sequence=talk.sequence + 5)) for _ in range(50))
        assert challenges == 1
        talk.wait(0.501)
    assert talk.host.drops[DropReason.TCP_CHALLENGE_RATE] == 147


def test_challenges_of_a_host_are_bounded(converse):
    talk = converse(TcpSettings(invalid_ratelimit_s=0.0))
    talk.accepted()
    challenges = sum(len(talk.say(SYN, sequence=talk.sequence + 5)) for _ in range(1100))
    assert challenges == 1000
    assert talk.host.drops[DropReason.TCP_CHALLENGE_RATE] == 100


def test_established_too_many_gaps_are_dropped(talk):
    talk.accepted()
    for number in range(300):
        talk.say(ACK, b"x", sequence=talk.sequence + 10 + 2 * number)
    assert talk.host.drops[DropReason.TCP_RECEIVE_FULL] == 300 - 256


def test_syn_flood_is_bounded(converse):
    talk = converse(TcpSettings(syncookies=False))
    talk.host.tcp_listen(None, 80)
    for number in range(1030):
        talk.peer_port = 10_000 + number
        talk.say(SYN, sequence=5000)
    assert len(talk.host.tcp.connections()) == 1024
    assert talk.host.drops[DropReason.TCP_SYN_QUEUE_FULL] == 6


def flooded(talk):
    """Return a listener whose queue of handshakes is full."""
    listener = talk.host.tcp_listen(None, 80)
    for number in range(1024):
        talk.peer_port = 10_000 + number
        talk.say(SYN, sequence=5000)
    talk.peer_port = 4000
    return listener


def test_syn_flood_does_not_keep_others_out(talk):
    """SYN cookies (RFC 4987): a handshake that is remembered only by the peer."""
    listener = flooded(talk)
    talk.acknowledgment = 0
    [answer] = talk.say(SYN, options=OPTIONS._replace(mss=1400, timestamps=(1, 0)))
    assert answer.flags == SYN | ACK
    assert answer.options == Options(mss=1460)
    assert len(talk.host.tcp.connections()) == 1024
    talk.wait(30)
    talk.acknowledgment = answer.sequence + 1  # What is heard of the others is not for us.
    talk.say(ACK | PSH, b"hello")
    connection = listener.accept()
    assert connection.state is State.ESTABLISHED
    assert connection.mss == 1398
    assert connection.read(99, talk.now) == b"hello"
    connection.write(b"world", talk.now)
    [echo] = [each for each in talk.hear() if each.destination_port == 4000]
    assert (echo.payload, echo.acknowledgment) == (b"world", talk.sequence)


@pytest.mark.parametrize("forged", [(1, 0), (0, 1), (1 << 24, 0), (1 << 27, 0)])
def test_forged_cookies_are_reset(talk, forged):
    flooded(talk)
    talk.acknowledgment = 0
    [answer] = talk.say(SYN)
    number, shift = answer.sequence + 1 + forged[0], talk.sequence + forged[1]
    assert flags_of(talk.say(ACK, ack=number, sequence=shift)) == [RST]
    assert len(talk.host.tcp.connections()) == 1024


def test_cookies_grow_old(talk):
    flooded(talk)
    talk.acknowledgment = 0
    [answer] = talk.say(SYN)
    talk.now += 130
    assert RST in flags_of(talk.say(ACK, ack=answer.sequence + 1))


def test_cookies_are_believed_only_in_times_of_need(talk):
    """Without a flood there are none: then guessing is vain."""
    listener = talk.host.tcp_listen(None, 80)
    context = talk.host.tcp.context
    key = PEER.packed + HOST.packed + (4000).to_bytes(2, "big") + (80).to_bytes(2, "big")
    cookie = context.cookies.make(key, 4999, 1400, talk.now)
    assert context.cookies.check(key, 4999, cookie, talk.now) == 1398
    assert flags_of(talk.say(ACK, ack=cookie + 1)) == [RST]
    assert listener.accept() is None


def test_cookie_with_a_full_accept_queue_waits(talk):
    listener = flooded(talk)
    talk.acknowledgment = 0
    [answer] = talk.say(SYN)
    listener.backlog = 0
    assert talk.say(ACK, ack=answer.sequence + 1) == []
    assert talk.host.drops[DropReason.TCP_ACCEPT_QUEUE_FULL] == 1
    listener.backlog = 1
    talk.say(ACK, ack=answer.sequence + 1)
    assert listener.accept().state is State.ESTABLISHED


# Users.


def test_change_is_told_once_per_batch(talk):
    connection = talk.accepted()
    told = []
    connection.on_change = lambda: told.append(connection.readable_octets)
    packets = []
    for piece in (b"one", b"two", b"three"):
        segment = Tcp(
            source_port=4000, destination_port=80, sequence=talk.sequence,
            acknowledgment=talk.acknowledgment, flags=ACK, window=512, payload=piece,
        ).emit(PEER, HOST)  # fmt: skip
        talk.sequence += len(piece)
        header = Ipv4(source=PEER, destination=HOST, protocol=6, payload_length=len(segment))
        packets.append(header.emit() + segment)
    talk.host.receive_packets(packets, talk.now)
    assert told == [11]
    assert flags_of(talk.hear()) == [ACK]


def test_listen_twice_is_address_in_use(talk):
    talk.host.tcp_listen(None, 80)
    with pytest.raises(OSError, match="in use") as caught:
        talk.host.tcp_listen(HOST, 80)
    assert caught.value.errno == errno.EADDRINUSE


def test_listen_on_a_foreign_address_is_refused(talk):
    with pytest.raises(OSError, match="assign") as caught:
        talk.host.tcp_listen(PEER, 80)
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_connect_from_a_foreign_address_is_refused(talk):
    with pytest.raises(OSError, match="assign"):
        talk.host.tcp_connect((PEER, 80), talk.now, local=(PEER, 0))


@pytest.mark.parametrize("remote", ["10.0.0.255", "224.0.0.1", "255.255.255.255"])
def test_connect_to_many_is_refused(talk, remote):
    with pytest.raises(OSError, match="one peer"):
        talk.host.tcp_connect((IPv4Address(remote), 80), talk.now)


def test_connection_shows_what_it_holds(talk):
    connection = talk.accepted()
    assert connection.local == (HOST, 80)
    connection.write(b"x" * 20_000, talk.now)
    assert connection.unacknowledged_octets == 20_000
    assert connection.unsent_octets == 10_000
    assert talk.host.tcp.connections() == [connection]
    assert [each.local[1] for each in talk.host.tcp.listeners()] == [80]


def test_connect_twice_from_one_port_is_address_in_use(talk):
    talk.host.tcp_connect((PEER, 80), talk.now, local=(None, 1234))
    with pytest.raises(OSError, match="in use"):
        talk.host.tcp_connect((PEER, 80), talk.now, local=(None, 1234))


def test_listen_port_0_takes_an_ephemeral_one(talk):
    assert 32768 <= talk.host.tcp_listen(None, 0).local[1] <= 60999
