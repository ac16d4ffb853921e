"""What a sender does about losses, and about what only looked like one, segment by segment."""

from __future__ import annotations

import itertools

import pytest

from netstack.tcp import send
from netstack.tcp.block import Recovery
from netstack.tcp.settings import TcpSettings
from netstack.tcp.states import State
from netstack.wire.tcp import Flag, Options

SYN, ACK, FIN, RST = Flag.SYN, Flag.ACK, Flag.FIN, Flag.RST
MSS, RTT_S = 1000, 0.1
PLAIN = Options(mss=MSS, window_scale=7, sack_permitted=True)
STAMPED = Options(mss=MSS + 12, window_scale=7, sack_permitted=True, timestamps=(1, 0))


class Sender:
    """A connection over a path of RTT_S that writes segments, and how its peer speaks of them."""

    def __init__(self, talk, options=PLAIN, *, congestion="cubic"):
        self.talk, self.stamps = talk, options.timestamps is not None
        talk.host.tcp_listen(None, 80)
        listener = talk.host.tcp.listeners()[0]
        [syn_ack] = talk.say(SYN, options=options)
        self.start = syn_ack.sequence + 1
        talk.wait(RTT_S)
        echo = syn_ack.options.timestamps
        talk.say(ACK, options=Options(timestamps=(2, echo[0])) if self.stamps else None)
        self.connection = listener.accept()
        assert self.connection.state is State.ESTABLISHED
        assert self.connection.rtt.smoothed_s == pytest.approx(RTT_S, abs=0.001)

    def write(self, segments):
        """Write full segments; return the numbers of those that left."""
        self.connection.write(b"x" * MSS * segments, self.talk.now)
        return self.numbers(self.talk.hear())

    def ack(self, upto, *sacked, echo=None):
        """Acknowledge the first *upto* segments and the ranges *sacked* of segments."""
        blocks = tuple((self.at(low), self.at(high)) for low, high in sacked)
        stamps = (3, echo) if self.stamps else None
        options = Options(sack=blocks, timestamps=stamps)
        return self.numbers(self.talk.say(ACK, ack=self.at(upto), options=options))

    def wait(self, seconds):
        return self.numbers(self.talk.wait(seconds))

    def at(self, number):
        return (self.start + number * MSS) & 0xFFFFFFFF

    def numbers(self, segments):
        """Return which segments these are, by the thousand."""
        self.last = segments[-1] if segments else None
        return [(each.sequence - self.start) % (1 << 32) // MSS for each in segments]

    @property
    def window(self):
        return self.connection.congestion.window


@pytest.fixture
def sender(talk):
    return Sender(talk)


# RACK (RFC 8985 §6).


def test_one_segment_that_overtook_is_believed_after_a_quarter_round_trip(sender):
    assert sender.write(3) == [0, 1, 2]
    sender.wait(RTT_S)
    assert sender.ack(0, (1, 2)) == []
    assert sender.wait(RTT_S / 4 - 0.001) == []
    assert sender.wait(0.002) == [0]


def test_segment_that_arrives_within_the_quarter_is_not_sent_again(sender):
    sender.write(3)
    sender.wait(RTT_S)
    sender.ack(0, (1, 3))
    sender.wait(RTT_S / 8)
    sender.ack(3)
    assert sender.wait(2) == []
    assert sender.connection.rack.reordering_seen
    assert sender.connection.recovery is Recovery.NONE


def test_path_that_reorders_is_given_time(sender):
    sender.write(3)
    sender.wait(RTT_S)
    sender.ack(0, (1, 3))
    sender.ack(3)
    sender.write(6)
    sender.wait(RTT_S)
    # Three overtook, which would be enough on a path that never reordered.
    assert sender.ack(3, (4, 9)) == []
    assert sender.wait(RTT_S / 4 + 0.001) == [3]


def test_duplicates_that_the_peer_reports_widen_the_window(sender):
    rack = sender.connection.rack
    sender.write(3)
    sender.wait(RTT_S)
    sender.ack(0, (1, 3))
    sender.ack(3)
    for step in range(2, 5):
        sender.write(1)
        for _ in range(2):  # Two D-SACKs count once in a round trip.
            sender.ack(step + 1, (1, 2))
            assert rack.reo_wnd_mult == step
        assert rack.window_s(RTT_S, 1.0, eager=True) == pytest.approx(step * RTT_S / 4)
        sender.ack(step + 2)


def test_reordering_window_is_at_most_a_round_trip(sender):
    rack = sender.connection.rack
    rack.reordering_seen, rack.reo_wnd_mult = True, 99
    assert rack.window_s(RTT_S, RTT_S, eager=False) == RTT_S


def test_wide_window_is_forgotten_after_sixteen_recoveries(sender):
    rack = sender.connection.rack
    rack.note_duplicate(0, 1)
    for _ in range(15):
        rack.note_recovered()
    assert rack.reo_wnd_mult == 2
    rack.note_recovered()
    assert rack.reo_wnd_mult == 1


def test_retransmission_that_is_lost_again_is_found_without_a_timeout(sender):
    sender.write(14)
    sender.wait(RTT_S)
    assert sender.ack(0, (1, 4)) == [0]
    sender.wait(0.01)
    assert sender.ack(0, (1, 8))
    sender.wait(RTT_S)
    # What was sent after the retransmission arrives; the retransmission has not.
    assert 0 in sender.ack(0, (1, 11))
    assert sender.connection.retries == 0
    assert sender.connection.recovery is Recovery.FAST


def test_retransmission_of_the_same_moment_is_not_overtaken_by_its_original_neighbours(sender):
    sender.write(12)
    sender.wait(RTT_S)
    assert sender.ack(0, (1, 2)) == [10]  # Limited transmit, a moment before ...
    assert sender.ack(0, (1, 4))[0] == 0  # ... the retransmission.
    sender.wait(RTT_S)
    assert 0 not in sender.ack(0, (1, 4), (10, 11))


def test_limited_transmit_sends_new_data_for_what_overtook(sender):
    assert sender.write(14) == list(range(10))
    sender.wait(RTT_S)
    assert sender.ack(0, (1, 2)) == [10]
    assert sender.ack(0, (1, 3)) == [11]


# Tail loss probes (RFC 8985 §7).


def test_lost_tail_is_probed_for_after_two_round_trips(sender):
    sender.write(6)
    sender.wait(RTT_S)
    assert sender.ack(3) == []
    assert sender.wait(2 * RTT_S) == []
    assert sender.wait(0.01) == [5]
    # Now RACK learns of the gap, and no timeout is needed.
    sender.wait(RTT_S)
    assert sender.ack(3, (5, 6)) == [3]
    sender.wait(RTT_S)
    assert sender.ack(4, (5, 6)) == [4]
    assert sender.connection.retries == 0


def test_probe_is_new_data_where_there_is_some(sender):
    assert sender.write(12) == list(range(10))
    assert sender.wait(2 * RTT_S + 0.01) == [10]
    assert sender.ack(11) == [11]
    assert sender.connection.congestion.threshold > 1 << 20


def test_lone_segment_is_probed_for_when_a_delayed_acknowledgment_would_be_late(sender):
    sender.write(1)
    timeout_s = sender.connection.rtt.rto_s
    assert sender.wait(timeout_s - 0.001) == []
    assert sender.wait(0.002) == [0]
    assert sender.connection.retries == 0
    assert sender.wait(timeout_s + 0.01) == [0]
    assert sender.connection.retries == 1


@pytest.mark.parametrize("twice", [False, True])
def test_probe_that_repaired_the_loss_lowers_the_window(sender, twice):
    sender.write(5)
    sender.wait(RTT_S)
    sender.ack(4)
    before = sender.window
    assert sender.wait(2 * RTT_S + 0.3) == [4]
    sender.ack(5)
    if twice:
        sender.ack(5, (4, 5))  # The original had arrived as well.
    sender.write(2)
    sender.wait(RTT_S)
    sender.ack(7)
    assert (sender.window < before) is not twice
    assert sender.connection.calm


def test_probe_answered_twice_was_not_needed(sender):
    sender.write(5)
    sender.wait(RTT_S)
    sender.ack(4)
    before = sender.window
    sender.wait(2 * RTT_S + 0.3)
    sender.ack(5)
    sender.ack(5)  # Without D-SACK: one answer to each of the two.
    assert sender.connection.tlp_end == 0
    assert sender.window >= before


def test_peer_without_sack_is_not_probed(converse):
    sender = Sender(converse(), Options(mss=MSS, window_scale=7))
    sender.write(5)
    assert sender.wait(2.5 * RTT_S) == []


def test_fin_alone_is_probed_for(sender):
    sender.connection.close(sender.talk.now)
    assert [each.flags & FIN for each in sender.talk.hear()] == [FIN]
    [probe] = sender.talk.wait(sender.connection.rtt.rto_s + 0.01)
    assert probe.flags & FIN
    assert sender.connection.retries == 0


# Proportional rate reduction (RFC 9937).


def test_recovery_sends_in_proportion_to_what_arrives(converse):
    sender = Sender(converse())
    sender.write(60)
    sender.wait(RTT_S)
    sender.ack(10)
    assert sender.window == 20 * MSS
    sender.wait(RTT_S)
    sent = sender.ack(10, (11, 14))
    assert sent[0] == 10
    sent += [each for upto in range(15, 31) for each in sender.ack(10, (11, upto))]
    # 19 of 20 arrived; 14 were to leave, for that is the new threshold.
    assert sender.connection.congestion.threshold == pytest.approx(0.7 * 20 * MSS, abs=MSS)
    assert len(sent) == pytest.approx(0.7 * 19, abs=1)
    sender.wait(RTT_S)
    sender.ack(sent[-1] + 1)
    assert sender.connection.recovery is Recovery.NONE
    assert sender.window == sender.connection.congestion.threshold


# Needless recoveries.


def test_late_acknowledgment_after_a_timeout_takes_it_back(converse):
    """Eifel (RFC 3522): the peer echoes a timestamp from before the retransmission."""
    sender = Sender(converse(), STAMPED)
    sender.write(14)
    echo = sender.last.options.timestamps[0]
    before = sender.window
    assert sender.wait(2 * RTT_S + 0.02) == [10]  # A probe, then the timeout.
    assert sender.wait(sender.connection.rtt.rto_s) == [0]
    assert sender.window == MSS
    assert sender.ack(1, echo=echo) != [1]
    assert sender.connection.recovery is Recovery.NONE
    assert sender.window >= before
    assert sender.wait(0.01) == []


def test_late_acknowledgment_after_a_fast_retransmission_takes_it_back(converse):
    sender = Sender(converse(), STAMPED)
    sender.write(10)
    echo = sender.last.options.timestamps[0]
    before = sender.window
    sender.wait(RTT_S)
    assert sender.ack(0, (1, 5), echo=echo) == [0]
    sender.wait(0.005)
    sender.ack(5, echo=echo)
    assert sender.connection.recovery is Recovery.NONE
    assert sender.window >= before


def test_everything_reported_as_duplicate_takes_a_recovery_back(sender):
    sender.write(10)
    before = sender.window
    sender.wait(RTT_S)
    assert sender.ack(0, (1, 5)) == [0]
    sender.ack(10)
    assert sender.window < before
    sender.ack(10, (0, 1))  # A D-SACK: the original of the first came late.
    assert sender.window >= before


def timed_out(talk, segments):
    """Return a sender whose timeout has just sent the first segment again."""
    sender = Sender(talk)
    sender.write(segments)
    sender.wait(2 * RTT_S + 0.02)  # The probe.
    assert sender.wait(sender.connection.rtt.rto_s) == [0]
    return sender


def test_timeout_after_which_originals_arrive_is_taken_back(talk):
    """F-RTO (RFC 5682): after the head alone nothing old is sent, only something new."""
    sender = timed_out(talk, 20)
    assert sender.connection.retries == 1
    assert sender.ack(1) == [11, 12]
    assert sender.ack(2) != [2]
    assert sender.connection.recovery is Recovery.NONE
    assert sender.window >= 10 * MSS


def test_timeout_that_was_needed_goes_on(talk):
    sender = timed_out(talk, 20)
    assert sender.ack(1) == [11, 12]
    sender.wait(RTT_S)
    assert sender.ack(1, (11, 12))[0] == 1
    assert sender.connection.recovery is Recovery.LOSS
    assert sender.window < 10 * MSS


def test_timeout_without_anything_new_to_say_repeats_the_old(talk):
    sender = timed_out(talk, 10)
    assert sender.ack(1) == [1, 2]


def test_timeout_of_a_timeout_sends_the_first_again(sender):
    sender.write(5)
    moments = []
    for _ in range(400):
        moments += [sender.talk.now for each in sender.wait(0.01) if each == 0]
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert gaps[:2] == pytest.approx([2 * gaps[0] / 2, 2 * gaps[0]], abs=0.03)


# Peers that lie or forget.


def test_peer_that_forgets_what_it_held_gets_it_again(sender):
    """SACK reneging (RFC 2018 §8): the cumulative acknowledgment stops below what was held."""
    sender.write(6)
    sender.wait(RTT_S)
    sender.ack(0, (1, 6))
    sent = list(sender.wait(RTT_S / 4))
    sender.ack(1)  # It says nothing of the others any more.
    for _ in range(8):
        sent += sender.wait(0.5)
        sender.ack(min(6, 1 + max(sent)) if 1 in sent else 1)
    assert 1 in sent
    assert sender.connection.snd_una == sender.connection.snd_nxt


@pytest.mark.parametrize(
    "block", [(3, 2), (2, 2), (6, 9), (-3, -1), (0, 1), (1 << 21, 1 << 22), (-(1 << 20), 4)]
)
def test_absurd_blocks_are_passed_over(sender, block):
    sender.write(5)
    sender.wait(RTT_S)
    sender.ack(0, block)
    assert sender.connection.sack.octets == 0
    assert sender.connection.recovery is Recovery.NONE
    sender.ack(5)
    assert sender.connection.calm


def test_more_duplicates_than_segments_open_no_window(converse):
    """Invented duplicates (RFC 5681 §3.2) send no more than was in flight."""
    sender = Sender(converse(), Options(mss=MSS, window_scale=7))
    sender.write(200)
    sent = [each for _ in range(500) for each in sender.ack(0)]
    assert len(sent) <= 2 * 10
    assert send.in_flight(sender.connection) >= 0


def test_divided_acknowledgments_grow_the_window_no_faster(converse):
    whole, divided = Sender(converse()), Sender(converse())
    for each in (whole, divided):
        each.write(100)
    whole.ack(10)
    for octets in range(1, 10 * MSS + 1, 100):
        number = divided.start + min(10 * MSS, octets + 99)
        divided.talk.say(ACK, ack=number)
    assert divided.window == whole.window


def test_acknowledgment_of_what_was_not_sent_grows_nothing(sender):
    sender.write(100)
    before = sender.window
    sender.ack(50)
    assert sender.window == before
    assert sender.connection.snd_una == sender.connection.iss + 1


# The handshake's losses.


def test_handshake_lost_once_is_measured_by_its_timestamps(talk):
    connection = talk.connecting()
    [again] = talk.wait(1.1)
    talk.wait(0.05)
    echo = again.options.timestamps[0]
    talk.say(SYN | ACK, options=Options(mss=MSS, sack_permitted=True, timestamps=(1, echo)))
    assert connection.rtt.smoothed_s == pytest.approx(0.15, abs=0.01)


def test_handshake_lost_twice_begins_with_one_segment(talk):
    connection = talk.connecting()
    assert len(talk.wait(3.5)) == 2
    talk.say(SYN | ACK, options=PLAIN)
    assert connection.rtt.rto_s >= 3.0
    connection.write(b"x" * 9000, talk.now)
    assert len(talk.hear()) == 1


def test_reno_can_be_chosen(converse):
    sender = Sender(converse(TcpSettings(congestion="reno")))
    sender.write(10)
    sender.wait(RTT_S)
    sender.ack(0, (1, 10))
    assert sender.connection.congestion.threshold == 5 * MSS


def test_probe_whose_original_arrives_late_tells_of_the_gap_before_it(talk):
    """A queue delayed the last and dropped those before: its timestamp says which copy arrived."""
    sender = Sender(talk, STAMPED)
    sender.write(6)
    echo = sender.last.options.timestamps[0]
    assert sender.wait(2 * RTT_S + 0.01) == [5]
    sender.ack(0, (5, 6), echo=echo)
    assert sender.wait(RTT_S / 4 + 0.1)[0] == 0
    assert sender.connection.retries == 0
