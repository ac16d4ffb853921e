"""UDP sockets between two hosts."""

from __future__ import annotations

import errno
from ipaddress import IPv4Address

import pytest

from netstack import udp
from netstack.drops import DropReason


@pytest.fixture
def pair(network):
    return network, network.host(1), network.host(2)


def test_datagrams_keep_their_bounds_and_senders(pair):
    network, first, second = pair
    server, client = second.udp_bind(None, 53), first.udp_bind(None, 0)
    woken = []
    server.on_ready = lambda: woken.append(1)
    client.send(b"one", (second.address, 53), network.now)
    client.send(b"", (second.address, 53), network.now)
    network.run(limit_s=1)
    assert server.receive() == udp.Datagram(b"one", (first.address, client.local[1]))
    assert server.receive().data == b""
    assert server.receive() is None
    assert woken


@pytest.mark.parametrize("size", [1422, 1423, 10_000, 65_507])
def test_datagrams_of_any_size_arrive(pair, size):
    network, first, second = pair
    server, client = second.udp_bind(None, 53), first.udp_bind(None, 0)
    data = bytes(index & 0xFF for index in range(size))
    client.send(data, (second.address, 53), network.now)
    network.run(limit_s=1)
    assert server.receive().data == data


def test_fragments_arrive_in_any_order(make_network):
    network = make_network(3, jitter_s=0.01, duplicate=0.3)
    first, second = network.host(1), network.host(2)
    server, client = second.udp_bind(None, 53), first.udp_bind(None, 0)
    for number in range(20):
        client.send(bytes([number]) * 8000, (second.address, 53), network.now)
        network.run(limit_s=1)
    received = []
    while (datagram := server.receive()) is not None:
        received.append(datagram.data[0])
    assert set(received) == set(range(20)), f"seed {network.seed}"


def test_too_large_a_datagram_is_refused(pair):
    network, first, second = pair
    with pytest.raises(OSError, match="too long") as caught:
        first.udp_bind(None, 0).send(bytes(65_508), (second.address, 53), network.now)
    assert caught.value.errno == errno.EMSGSIZE


def test_closed_port_is_an_error_of_a_connected_socket(pair):
    network, first, second = pair
    client = first.udp_bind(None, 0)
    client.connect((second.address, 53))
    woken = []
    client.on_ready = lambda: woken.append(client.error.errno)
    client.send(b"anyone?", None, network.now)
    network.run(limit_s=1)
    assert woken == [errno.ECONNREFUSED]
    assert second.drops[DropReason.UDP_NO_SOCKET] == 1


def test_closed_port_is_no_error_of_an_unconnected_socket(pair):
    network, first, second = pair
    client = first.udp_bind(None, 0)
    client.send(b"anyone?", (second.address, 53), network.now)
    network.run(limit_s=1)
    assert client.error is None


def test_connected_socket_hears_its_peer_only(pair):
    network, first, second = pair
    client = first.udp_bind(None, 5000)
    client.connect((second.address, 53))
    assert client.local[0] == first.address
    other = second.udp_bind(None, 54)
    other.send(b"psst", (first.address, 5000), network.now)
    network.run(limit_s=1)
    assert client.receive() is None
    assert other.error is None
    assert first.drops[DropReason.UDP_NO_SOCKET] == 1


def test_bound_address_is_preferred_to_any(pair):
    network, first, second = pair
    exact = second.udp_bind(second.address, 53)
    local = second.udp_bind(IPv4Address("127.0.0.1"), 53)
    first.udp_bind(None, 0).send(b"x", (second.address, 53), network.now)
    network.run(limit_s=1)
    assert exact.receive() is not None
    assert local.receive() is None
    with pytest.raises(OSError, match="in use"):
        second.udp_bind(None, 53)


def test_full_socket_drops_and_counts(pair):
    network, first, second = pair
    server, client = second.udp_bind(None, 53), first.udp_bind(None, 0)
    for _ in range(200):
        client.send(bytes(1400), (second.address, 53), network.now)
        network.run(limit_s=0.01)
    kept = 0
    while server.receive() is not None:
        kept += 1
    assert kept == udp.RECEIVE_BUFFER_OCTETS // (1400 + udp.DATAGRAM_OVERHEAD_OCTETS)
    assert second.drops[DropReason.UDP_QUEUE_FULL] == 200 - kept


def test_closed_socket_frees_its_port_and_sends_no_more(pair):
    network, first, second = pair
    socket = first.udp_bind(None, 53)
    socket.close()
    first.udp_bind(None, 53)
    with pytest.raises(OSError, match="closed"):
        socket.send(b"x", (second.address, 53), network.now)


def test_send_without_destination_is_refused(pair):
    network, first, _ = pair
    with pytest.raises(OSError, match=r"[Dd]estination"):
        first.udp_bind(None, 0).send(b"x", None, network.now)


def test_broadcast_is_not_permitted(pair):
    network, first, _ = pair
    with pytest.raises(OSError, match="broadcast"):
        first.udp_bind(None, 0).send(b"x", (IPv4Address("10.0.0.255"), 9), network.now)
