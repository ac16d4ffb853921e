"""Explicit congestion notification: who agrees on it, what is marked, echoed and lowered, when."""

from __future__ import annotations

import random
from ipaddress import IPv6Address, IPv6Interface

import pytest

from netstack.ip_host import IpHost
from netstack.tcp.settings import TcpSettings
from netstack.wire import ipv6
from netstack.wire.tcp import Flag, Options, Tcp, TcpView

SYN, ACK, FIN, ECE, CWR = Flag.SYN, Flag.ACK, Flag.FIN, Flag.ECE, Flag.CWR
ASKING = TcpSettings(ecn=1)
OPTIONS = Options(mss=1000, window_scale=7, sack_permitted=True)
NOT_ECT, ECT0, CE = 0, 2, 3


def accepted(talk, *, flags=ECE | CWR):
    """Return a connection that the peer opened with ECN."""
    listener = talk.host.tcp_listen(None, 80)
    [talk.syn_ack] = talk.say(SYN | flags, options=OPTIONS)
    talk.say(ACK)
    return listener.accept()


# The handshake.


@pytest.mark.parametrize(
    ("setting", "offer", "answer"),
    [
        (2, ECE | CWR, ECE),
        (1, ECE | CWR, ECE),
        (0, ECE | CWR, 0),
        (2, ECE, 0),
        (2, CWR, 0),
        (2, 0, 0),
    ],
)
def test_listen_syn_agrees_on_what_is_offered_and_may_be(converse, setting, offer, answer):
    talk = converse(TcpSettings(ecn=setting))
    connection = accepted(talk, flags=offer)
    assert talk.syn_ack.flags == SYN | ACK | answer
    connection.write(b"data", talk.now)
    talk.hear()
    assert talk.tos == [ECT0 if answer else NOT_ECT]


@pytest.mark.parametrize(("setting", "asked"), [(0, 0), (1, ECE | CWR), (2, 0)])
def test_closed_connect_asks_if_it_is_set_so(converse, setting, asked):
    talk = converse(TcpSettings(ecn=setting))
    talk.connecting()
    assert talk.syn.flags == SYN | asked
    assert talk.tos == [NOT_ECT]


@pytest.mark.parametrize(("answer", "agreed"), [(ECE, True), (ECE | CWR, False), (0, False)])
def test_syn_sent_syn_ack_agrees_by_ece_alone(converse, answer, agreed):
    talk = converse(ASKING)
    connection = talk.connecting()
    talk.say(SYN | ACK | answer, options=OPTIONS)
    connection.write(b"data", talk.now)
    talk.hear()
    assert talk.tos == [ECT0 if agreed else NOT_ECT]


def test_syn_sent_syn_with_offer_agrees_simultaneously(converse):
    talk = converse(ASKING)
    connection = talk.connecting()
    [answer] = talk.say(SYN | ECE | CWR, options=OPTIONS)
    assert answer.flags == SYN | ACK | ECE
    talk.say(ACK)
    connection.write(b"data", talk.now)
    talk.hear()
    assert talk.tos == [ECT0]


def test_syn_sent_silence_asks_without_ecn(converse):
    """A SYN with ECN may have been dropped for just that (RFC 3168 §6.1.1.1)."""
    talk = converse(ASKING)
    talk.connecting()
    [again] = talk.wait(1.1)
    assert again.flags == SYN


def test_listen_flooded_answers_by_a_cookie_without_ecn(converse, monkeypatch):
    monkeypatch.setattr("netstack.tcp.listener.SYN_QUEUE_MAX", 0)
    talk = converse()
    connection = accepted(talk)
    assert talk.syn_ack.flags == SYN | ACK
    connection.write(b"data", talk.now)
    talk.hear()
    assert talk.tos == [NOT_ECT]


# The sender.


def test_established_only_new_data_may_be_marked(talk):
    connection = accepted(talk)
    connection.write(b"data", talk.now)
    [data] = talk.hear()
    assert talk.tos == [ECT0]
    [again] = talk.wait(0.9)[:1]
    assert again.payload == data.payload
    assert talk.tos[0] == NOT_ECT
    talk.say(ACK, b"answer")
    talk.wait(0.1)
    assert talk.tos == [NOT_ECT]
    assert connection.read(100, talk.now) == b"answer"
    connection.close(talk.now)
    [fin] = talk.hear()
    assert fin.flags == FIN | ACK
    assert talk.tos == [NOT_ECT]


def test_established_zero_window_probe_is_never_marked(talk):
    connection = accepted(talk)
    connection.write(b"data", talk.now)
    talk.hear()
    talk.say(ACK, window=0)
    connection.write(b"more", talk.now)
    [probe] = talk.wait(1.0)[:1]
    assert not probe.payload
    assert talk.tos[0] == NOT_ECT


def test_established_echo_lowers_the_window_once_a_round_trip(talk):
    connection = accepted(talk)
    connection.write(b"x" * 30_000, talk.now)
    sent = talk.hear()
    window = connection.congestion.window
    assert [each.flags & CWR for each in sent] == [0] * 10
    talk.now += 0.1
    talk.say(ACK | ECE, ack=sent[1].sequence)
    lowered = connection.congestion.window
    assert lowered == connection.congestion.threshold == pytest.approx(0.7 * window, abs=10)
    talk.say(ACK | ECE, ack=sent[2].sequence)
    assert connection.congestion.window == lowered
    told = talk.say(ACK, ack=sent[9].sequence)
    assert [each.flags & CWR for each in told] == [CWR, *[0] * (len(told) - 1)]
    assert connection.recovery.value == "none"
    window = connection.congestion.window
    talk.now += 0.1
    talk.say(ACK | ECE, ack=talk.acknowledgment)
    assert connection.congestion.window < 0.8 * window


def test_established_loss_and_echo_are_one_congestion(talk):
    connection = accepted(talk)
    connection.write(b"x" * 30_000, talk.now)
    sent = talk.hear()
    said = []
    for upto in (2, 3, 4, 5):
        block = ((sent[1].sequence, sent[upto].sequence),)
        said += talk.say(ACK | ECE, ack=sent[0].sequence, options=Options(sack=block))
    threshold = connection.congestion.threshold
    assert connection.recovery.value == "fast"
    said += talk.say(ACK | ECE, ack=sent[9].sequence + 1000)
    assert connection.congestion.threshold == threshold
    assert sum(bool(each.flags & CWR) for each in said) == 1


def test_established_echo_without_ecn_means_nothing(talk):
    connection = talk.accepted()
    connection.write(b"x" * 5000, talk.now)
    talk.hear()
    window = connection.congestion.window
    talk.say(ACK | ECE)
    assert connection.congestion.window >= window


# The receiver.


def test_established_mark_is_echoed_until_the_sender_has_heard(talk):
    accepted(talk)
    [at_once] = talk.say(ACK, b"marked", tos=CE)
    assert at_once.flags == ACK | ECE
    talk.say(ACK, b"later", tos=ECT0)
    [still] = talk.say(ACK, b"and later", tos=ECT0)
    assert still.flags == ACK | ECE
    [told] = talk.say(ACK | CWR, b"lowered", tos=ECT0)
    assert told.flags == ACK


def test_established_mark_with_cwr_is_a_new_one(talk):
    accepted(talk)
    talk.say(ACK, b"marked", tos=CE)
    [answer] = talk.say(ACK | CWR, b"lowered, and marked again", tos=CE)
    assert answer.flags == ACK | ECE


def test_established_mark_on_what_is_not_taken_is_not_echoed(talk):
    """Whoever guesses addresses and ports does not slow others down (RFC 3168 §6.1.5)."""
    accepted(talk)
    [answer] = talk.say(ACK, b"forged", sequence=talk.sequence - 5000, tos=CE)
    assert answer.flags == ACK
    [answer] = talk.say(ACK, tos=CE, sequence=talk.sequence - 1)
    assert answer.flags == ACK


# Both, over IPv6.


def test_marks_cross_ipv6_and_come_back():
    hosts = [
        IpHost(
            address=None,
            address6=IPv6Interface(f"fd00::{number}/64"),
            mtu=1450,
            rng=random.Random(number),
            tcp=ASKING,
        )
        for number in (1, 2)
    ]
    client, server = hosts
    listener = server.tcp_listen(None, 80)
    connection = client.tcp_connect((IPv6Address("fd00::2"), 80), 1.0)
    classes, flags = [], []

    def carry(source, target, *, mark=False):
        for packet in source.packets_to_send():
            view = ipv6.Ipv6View(packet)
            segment = Tcp.parse(TcpView(view.payload), *(IPv6Address(each) for each in (
                view.source, view.destination)))  # fmt: skip
            classes.append(packet[1] >> 4)
            flags.append(segment.flags)
            target.receive_packet(packet[:1] + b"\x30" + packet[2:] if mark else packet, 1.0)

    for _ in range(2):
        carry(client, server)
        carry(server, client)
    assert flags[:3] == [SYN | ECE | CWR, SYN | ACK | ECE, ACK]
    assert classes == [NOT_ECT] * 3
    connection.write(b"x" * 100_000, 1.1)
    carry(client, server, mark=True)
    assert set(classes[3:]) == {ECT0}
    carry(server, client)
    assert flags[-1] == ACK | ECE
    carry(client, server)
    assert [each & CWR for each in flags].count(CWR) == 2  # The SYN's, and one that tells.
    assert listener.accept().readable_octets > 13_000
