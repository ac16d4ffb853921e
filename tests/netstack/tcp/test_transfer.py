"""Megabytes both ways over wires that lose, repeat, reorder, corrupt: all arrives and closes."""

from __future__ import annotations

import itertools
import random

import pytest

from netstack.tcp import deadlines
from netstack.tcp.settings import TcpSettings
from netstack.tcp.states import State

WIRES = {
    "perfect": {},
    "long": {"delay_s": 0.05},
    "reordering": {"jitter_s": 0.003},
    "duplicating": {"duplicate": 0.1, "jitter_s": 0.001},
    "lossy": {"loss": 0.02},
    "corrupting": {"corrupt": 0.02},
    "terrible": {"loss": 0.1, "duplicate": 0.1, "jitter_s": 0.01, "corrupt": 0.02},
}
#: The same for hosts that leave segmentation and checksums to the wire.
OFFLOADED = {name: {**wire, "offload": True} for name, wire in WIRES.items()}
SETTINGS = {
    "all": TcpSettings(),
    "no-sack": TcpSettings(sack=False),
    "bare": TcpSettings(sack=False, timestamps=False),
    "small": TcpSettings(send_buffer_octets=20_000, receive_buffer_octets=10_000),
}


def transfer(network, make_peer, settings, octets):
    first, second = network.host(1, tcp=settings), network.host(2, tcp=settings)
    data = random.Random(network.seed)
    listener = second.tcp_listen(None, 80)
    accepted = []

    def accept():
        connection = listener.accept()
        accepted.append(make_peer(network, connection, data.randbytes(octets)))
        accepted[0].act()

    listener.on_ready = accept
    client = first.tcp_connect((second.address, 80), network.now)
    peer = make_peer(network, client, data.randbytes(octets))
    network.run(until=lambda: bool(accepted and peer.ended and accepted[0].ended), limit_s=3600)
    network.run(limit_s=300)
    return peer, accepted[0]


def check(network, peer, other):
    where = f"seed {network.seed}, {network.wire}"
    assert peer.connection.error is None, where
    assert other.connection.error is None, where
    assert peer.received == other.data, where
    assert other.received == peer.data, where
    assert peer.connection.state is State.CLOSED, where
    assert other.connection.state is State.CLOSED, where
    assert not any(host.tcp.connections() for host in network.hosts), where
    assert not any(host.tcp.context.waiting for host in network.hosts), where


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("settings", SETTINGS)
def test_everything_arrives_and_closes(make_network, make_peer, wire, settings):
    octets = 1_000_000 if settings == "all" and wire != "terrible" else 150_000
    network = make_network(len(wire) * 7 + len(settings), **WIRES[wire])
    check(network, *transfer(network, make_peer, SETTINGS[settings], octets))


@pytest.mark.parametrize("seed", range(30))
def test_any_seed_survives_a_terrible_wire(make_network, make_peer, seed):
    network = make_network(seed, **WIRES["terrible"])
    settings = list(SETTINGS.values())[seed % len(SETTINGS)]
    check(network, *transfer(network, make_peer, settings, 30_000))


@pytest.mark.parametrize("wire", OFFLOADED)
@pytest.mark.parametrize("settings", ["all", "no-sack", "small"])
def test_everything_arrives_and_closes_with_offload(make_network, make_peer, wire, settings):
    octets = 1_000_000 if settings == "all" and wire != "terrible" else 150_000
    network = make_network(len(wire) * 7 + len(settings), **OFFLOADED[wire])
    check(network, *transfer(network, make_peer, SETTINGS[settings], octets))


@pytest.mark.parametrize("seed", range(30))
def test_any_seed_survives_a_terrible_wire_with_offload(make_network, make_peer, seed):
    network = make_network(seed, **OFFLOADED["terrible"])
    settings = list(SETTINGS.values())[seed % len(SETTINGS)]
    check(network, *transfer(network, make_peer, settings, 30_000))


def test_loss_of_one_percent_is_repaired_without_timeouts(make_network, make_peer):
    network = make_network(5, loss=0.01, delay_s=0.005)
    started = network.now
    peer, other = transfer(network, make_peer, TcpSettings(), 500_000)
    check(network, peer, other)
    ended = max(moment for moment, frame in network.sent if len(frame) > 1000)
    # 380 segments each way and four losses: a timeout for each would take more than a second.
    assert ended - started < 1.0, f"seed {network.seed}"


@pytest.mark.parametrize("lost", range(30))
def test_any_single_loss_is_repaired_without_a_timeout(make_network, connect, monkeypatch, lost):
    """Whichever segment of a transfer is lost, the last included."""
    network = make_network(lost, delay_s=0.01)
    near, far = connect(network, network.host(1), network.host(2))
    timeouts = []
    monkeypatch.setattr(deadlines.retransmit, "on_timeout", lambda *a: timeouts.append(a))
    count = itertools.count()
    network.passes = lambda frame: len(frame) < 1000 or next(count) != lost
    near.write(b"x" * 1398 * 30, network.now)
    started = network.now
    network.run(until=lambda: far.readable_octets == 1398 * 30, limit_s=10)
    assert far.readable_octets == 1398 * 30
    assert not timeouts
    # A lone segment at the end waits as long as the peer might delay its acknowledgment.
    assert network.now - started < (0.15 if lost < 28 else 0.35)


def test_peers_that_disagree_on_their_numbers_do_not_storm(make_network, connect):
    """A third one's octets were taken: each end now finds senseless what the other says of it."""
    network = make_network(3, delay_s=0.0005)
    near, far = connect(network, network.host(1), network.host(2))
    far.rcv_nxt += 100
    near.write(b"x" * 10, network.now)
    before = len(network.sent)
    network.run(limit_s=10)
    assert 10 < len(network.sent) - before < 80


def test_a_black_hole_is_crossed_by_smaller_segments(make_network, connect):
    """A path that swallows long frames and says nothing of it (RFC 4821)."""
    network = make_network(3, delay_s=0.01)
    settings = TcpSettings(mtu_probing=1)
    near, far = connect(network, network.host(1, tcp=settings), network.host(2))
    network.passes = lambda frame: len(frame) < 1200
    near.write(b"x" * 100_000, network.now)
    network.run(until=lambda: far.readable_octets == 100_000, limit_s=30)
    assert far.readable_octets == 100_000


@pytest.mark.parametrize("jitter_s", [0.0002, 0.003, 0.01])
def test_reordering_is_not_taken_for_loss(make_network, connect, jitter_s):
    """On a path that reorders nearly every segment next to nothing is sent again (RFC 8985)."""
    network = make_network(3, delay_s=0.01, jitter_s=jitter_s)
    near, far = connect(network, network.host(1), network.host(2))
    segments = 700
    near.write(b"x" * 1398 * segments, network.now)
    started = network.now
    network.run(until=lambda: far.readable_octets == 1398 * segments, limit_s=30)
    sent = sum(len(frame) > 1000 for _, frame in network.sent)
    assert sent <= segments * 1.01
    # Slow start in the main: seven round trips, and no recoveries that halve the window.
    assert network.now - started < 0.5
