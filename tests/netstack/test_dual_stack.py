"""Hosts with both families, with one, and sockets that hear either (RFC 3493, bindv6only=0)."""

from __future__ import annotations

import errno
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, ip_address

import pytest

from netstack.addresses import clash, to_octets
from netstack.tcp.settings import TcpSettings
from netstack.udp import Datagram
from netstack.wire.ipv4 import PROTOCOL_TCP
from netstack.wire.tcp import Flag, Tcp

ANY4, ANY6 = IPv4Address("0.0.0.0"), IPv6Address("::")


@pytest.fixture
def pair(network):
    return network, network.host6(1), network.host6(2)


def target(family, number=2):
    return ip_address(f"10.0.0.{number}" if family == 4 else f"fd00::{number}")


def exchange(network, client, server, target, port=80):
    """Connect to a listener of *server*; return the addresses that both ends see."""
    near = client.tcp_connect((target, port), network.now)
    network.run(until=lambda: near.established or near.closed, limit_s=10)
    network.run(limit_s=0.1)
    return near


@pytest.mark.parametrize("address", [None, ANY6])
@pytest.mark.parametrize("family", [4, 6])
def test_listener_of_any_hears_both_families(pair, address, family):
    network, first, second = pair
    listener = second.tcp_listen(address, 80)
    near = exchange(network, first, second, target(family))
    far = listener.accept()
    assert near.remote == (target(family), 80)
    assert far.remote == near.local
    assert type(far.remote[0]) is type(target(family))


@pytest.mark.parametrize(
    ("address", "v6only", "hears"), [(ANY4, False, 4), (ANY6, True, 6), (target(6), False, 6)]
)
def test_listener_of_one_family_refuses_the_other(pair, address, v6only, hears):
    network, first, second = pair
    second.tcp_listen(address, 80, v6only=v6only)
    assert exchange(network, first, second, target(hears)).established
    refused = exchange(network, first, second, target(10 - hears))
    assert refused.error.errno == errno.ECONNREFUSED


def test_port_that_somebody_hears_is_in_use(network):
    host = network.host6(2)
    host.tcp_listen(None, 80)
    for address in (None, ANY4, ANY6, target(4), target(6)):
        with pytest.raises(OSError, match="in use"):
            host.tcp_listen(address, 80)
    host.udp_bind(ANY6, 53, v6only=True)
    host.udp_bind(target(4), 53)
    with pytest.raises(OSError, match="in use"):
        host.udp_bind(target(6), 53)


def test_listeners_of_both_families_share_a_port(pair):
    network, first, second = pair
    four, six = second.tcp_listen(ANY4, 80), second.tcp_listen(ANY6, 80, v6only=True)
    exchange(network, first, second, target(4))
    exchange(network, first, second, target(6))
    assert four.accept().remote[0] == target(4, 1)
    assert six.accept().remote[0] == target(6, 1)
    with pytest.raises(OSError, match="in use"):
        second.tcp_listen(None, 80)


@pytest.mark.parametrize("family", [4, 6])
def test_datagrams_of_both_families_reach_one_socket(pair, family):
    network, first, second = pair
    server, client = second.udp_bind(None, 53), first.udp_bind(None, 0)
    client.send(b"asks", (target(family), 53), network.now)
    network.run(limit_s=1)
    heard = server.receive()
    assert heard == Datagram(b"asks", (target(family, 1), client.local[1]))
    server.send(b"answers", heard.remote, network.now)
    network.run(limit_s=1)
    assert client.receive().data == b"answers"


def test_socket_of_one_family_cannot_send_to_the_other(pair):
    network, first, _ = pair
    socket = first.udp_bind(target(4, 1), 0)
    with pytest.raises(OSError, match="another family") as caught:
        socket.send(b"x", (target(6), 9), network.now)
    assert caught.value.errno == errno.EAFNOSUPPORT


def test_connection_from_an_address_of_the_other_family_is_refused(pair):
    network, first, _ = pair
    with pytest.raises(OSError, match="cannot assign"):
        first.tcp_connect((target(6), 80), network.now, local=(target(4, 1), 0))


def test_mapped_addresses_mean_ipv4(pair):
    network, first, second = pair
    second.tcp_listen(None, 80)
    near = exchange(network, first, second, IPv6Address("::ffff:10.0.0.2"))
    assert near.remote == (target(4), 80)


@pytest.mark.parametrize("text", ["::1", "127.0.0.1", "fd00::1", "10.0.0.1"])
def test_host_talks_to_itself(network, text):
    host = network.host6(1)
    host.frames_to_send()
    listener = host.tcp_listen(None, 80)
    near = exchange(network, host, host, ip_address(text))
    assert near.established
    assert listener.accept().remote == near.local
    replies = []
    host.on_echo_reply = replies.append
    host.ping(ip_address(text), identifier=1, sequence=1, payload=b"me", now=network.now)
    network.run(limit_s=0.1)
    assert [each.address for each in replies] == [ip_address(text)]
    assert host.frames_to_send() == []


def test_loopback_address_does_not_leave(network):
    host = network.host6(1)
    for send in (
        lambda: host.tcp_connect((target(6), 80), network.now, local=(IPv6Address("::1"), 0)),
        lambda: host.udp_bind(IPv6Address("::1"), 0).send(b"x", (target(6), 9), network.now),
    ):
        with pytest.raises(OSError, match="loopback"):
            send()


@pytest.mark.parametrize("family", [4, 6])
def test_host_of_one_family_has_no_route_to_the_other(network, family):
    options = {"address6": None} if family == 4 else {"address": None}
    host = network.host6(1, **options)
    with pytest.raises(OSError, match="no route"):
        host.tcp_connect((target(10 - family), 80), network.now)
    with pytest.raises(OSError, match="no route"):
        host.ping(target(10 - family), identifier=1, sequence=1, payload=b"", now=network.now)
    network.host6(2)
    replies = []
    host.on_echo_reply = replies.append
    host.ping(target(family), identifier=1, sequence=1, payload=b"", now=network.now)
    network.run(limit_s=1)
    assert replies


def test_link_local_addresses_reach_each_other(pair):
    network, first, second = pair
    second.tcp_listen(None, 80)
    near = exchange(network, first, second, IPv6Address("fe80::ff:fe00:2"))
    assert near.local[0] == IPv6Address("fe80::ff:fe00:1")
    assert near.established


def test_connection_to_a_group_is_refused(pair):
    network, first, _ = pair
    with pytest.raises(OSError, match="one peer"):
        first.tcp_connect((IPv6Address("ff02::1"), 80), network.now)


def test_added_address_is_announced_and_answers(pair):
    network, first, second = pair
    network.run(limit_s=1)
    added = IPv6Interface("fd00::77/64")
    second.add_address(added)
    replies = []
    first.on_echo_reply = replies.append
    first.ping(added.ip, identifier=1, sequence=1, payload=b"", now=network.now)
    network.run(limit_s=1)
    assert [each.address for each in replies] == [added.ip]
    second.remove_address(added.ip)
    first.ping(added.ip, identifier=1, sequence=2, payload=b"", now=network.now)
    network.run(limit_s=1)
    assert len(replies) == 1


@pytest.mark.parametrize(("family", "mss"), [(4, 536), (6, 1220)])
def test_peer_that_names_no_mss_gets_what_its_family_says(pair, family, mss):
    network, first, second = pair
    listener = second.tcp_listen(None, 80)
    syn = Tcp(source_port=9, destination_port=80, sequence=7, flags=Flag.SYN, window=65535)
    source, destination = target(family, 1), target(family)
    octets = syn.emit(source, destination)
    output = first.output if family == 4 else first.output6
    output.send(PROTOCOL_TCP, (source.packed, destination.packed), octets, network.now)
    network.run(until=lambda: bool(second.tcp.connections()), limit_s=0.5)
    [half_open] = second.tcp.connections()
    assert half_open.mss == mss
    assert not listener.ready


@pytest.mark.parametrize("timestamps", [True, False])
@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_everything_arrives_over_a_bad_wire(make_network, make_peer, loss, timestamps):
    network = make_network(7, loss=loss, jitter_s=0.002, duplicate=loss, corrupt=loss)
    tcp = TcpSettings(timestamps=timestamps)
    first, second = network.host6(1, tcp=tcp), network.host6(2, tcp=tcp)
    listener, peers = second.tcp_listen(None, 80), []
    asked, answered = b"a" * 300_000, b"b" * 200_000
    listener.on_ready = lambda: peers.append(make_peer(network, listener.accept(), answered))
    near = make_peer(network, first.tcp_connect((target(6), 80), network.now), asked)
    network.run(until=lambda: near.ended and peers and peers[0].ended, limit_s=120)
    assert bytes(near.received) == answered, f"seed {network.seed}, {network.wire}"
    assert bytes(peers[0].received) == asked


def test_bound_addresses_clash_where_they_hear_the_same():
    any4, any6, one = to_octets(ANY4), to_octets(ANY6), to_octets(target(6))
    assert clash(b"", any4)
    assert clash(any6, one)
    assert clash(one, one)
    assert not clash(any4, any6)
    assert not clash(any4, one)
    assert not clash(one, to_octets(target(6, 1)))
