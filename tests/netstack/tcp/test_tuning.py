"""Buffers grow where they limit a connection, within a bound, and are given back."""

from __future__ import annotations

import pytest

from netstack.tcp.settings import TcpSettings

KIB = 1024
TUNED = TcpSettings(
    send_buffer_octets=64 * KIB,
    receive_buffer_octets=64 * KIB,
    send_buffer_max_octets=512 * KIB,
    receive_buffer_max_octets=512 * KIB,
)


def carry(network, near, far, octets, *, reads=True):
    """Write *octets*, as fast as they are taken, for up to a minute."""
    written, read, end = 0, 0, network.now + 60
    while read < octets and network.now < end:
        if near.writable_octets or written < octets:
            written += near.write(bytes(min(octets - written, 1 << 20)), network.now)
        network.run(limit_s=0.01)
        if reads:
            read += len(far.read(1 << 20, network.now))
    return read


@pytest.fixture
def pair(make_network, connect):
    def make(settings):
        network = make_network(3, delay_s=0.02)
        hosts = [network.host(1, tcp=settings), network.host(2, tcp=settings)]
        return network, *connect(network, *hosts)

    return make


def test_windows_of_a_bulk_transfer_grow(pair):
    network, near, far = pair(TUNED)
    assert carry(network, near, far, 8_000_000) == 8_000_000
    assert near.send_limit == far.receive_limit == 512 * KIB
    assert (near.receive_limit, far.send_limit) == (64 * KIB, 64 * KIB)


def test_tuned_transfer_is_faster(pair):
    took_s = []
    for settings in (TUNED, TcpSettings(send_buffer_octets=65536, receive_buffer_octets=65536)):
        network, near, far = pair(settings)
        began = network.now
        assert carry(network, near, far, 4_000_000) == 4_000_000
        took_s.append(network.now - began)
    assert took_s[0] < took_s[1] / 2


def test_window_of_a_reader_that_stalls_does_not_grow(pair):
    network, near, far = pair(TUNED)
    carry(network, near, far, 2_000_000, reads=False)
    assert far.receive_limit == 64 * KIB
    assert far.readable_octets <= 64 * KIB
    assert near.unacknowledged_octets <= 128 * KIB


def test_windows_of_a_conversation_do_not_grow(pair):
    network, near, far = pair(TUNED)
    for _ in range(100):
        carry(network, near, far, 2000)
        network.run(limit_s=0.5)
    assert far.receive_limit == near.send_limit == 64 * KIB


def test_growth_of_all_is_bounded_and_given_back(pair):
    settings = TcpSettings(
        send_buffer_octets=64 * KIB, receive_buffer_octets=64 * KIB, grown_octets_max=100 * KIB,
        send_buffer_max_octets=512 * KIB, receive_buffer_max_octets=512 * KIB,
    )  # fmt: skip
    network, near, far = pair(settings)
    assert carry(network, near, far, 4_000_000) == 4_000_000
    contexts = [host.tcp.context for host in network.hosts]
    assert [each.grown_octets for each in contexts] == [100 * KIB, 100 * KIB]
    assert near.send_limit == far.receive_limit == 164 * KIB
    near.close(network.now)
    far.close(network.now)
    network.run(limit_s=60)
    assert [each.grown_octets for each in contexts] == [0, 0]
