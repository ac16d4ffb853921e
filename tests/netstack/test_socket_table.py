"""The sockets of a host, row by row."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import msgpack

from netstack.socket_table import sockets
from netstack.tcp.states import State


def shown(host):
    return [
        (row["protocol"], row["state"], row["recv_q"], row["send_q"], row["local"], row["remote"])
        for row in sockets(host, 0.0)
    ]


def test_listeners_and_datagram_sockets_say_where_they_hear(network):
    host, other = network.host6(1), network.host(2)
    assert sockets(host, 0.0) == []
    host.udp_bind(None, 53)
    asking = host.udp_bind(IPv4Address("10.0.0.1"), 4000)
    asking.connect((other.address, 53))
    host.tcp_listen(None, 80, backlog=7)
    host.tcp_listen(IPv4Address("127.0.0.1"), 8080)
    host.tcp_listen(IPv6Address("fd00::1"), 443)
    assert shown(host) == [
        ("udp", "UNCONN", 0, 0, "*:53", "*:*"),
        ("udp", "ESTAB", 0, 0, "10.0.0.1:4000", "10.0.0.2:53"),
        ("tcp", "LISTEN", 0, 7, "*:80", "*:*"),
        ("tcp", "LISTEN", 0, 128, "127.0.0.1:8080", "0.0.0.0:*"),
        ("tcp", "LISTEN", 0, 128, "[fd00::1]:443", "[::]:*"),
    ]


def test_queues_are_what_nobody_read_and_nobody_confirmed(network):
    client, server = network.host(1), network.host(2)
    listener = server.tcp_listen(None, 80)
    near = client.tcp_connect((server.address, 80), network.now)
    network.run(until=lambda: near.established, limit_s=5)
    network.run(limit_s=0.1)
    assert shown(server)[0] == ("tcp", "LISTEN", 1, 128, "*:80", "*:*")
    far = listener.accept()
    assert shown(server)[0][2] == 0
    near.write(bytes(500), network.now)
    assert shown(client)[0][1:4] == ("ESTAB", 0, 500)
    network.run(limit_s=1)
    assert shown(client)[0][1:4] == ("ESTAB", 0, 0)
    assert shown(server)[1][1:4] == ("ESTAB", 500, 0)
    near.close(network.now)
    network.run(limit_s=1)
    assert shown(client)[0][1] == "FIN-WAIT-2"
    assert shown(server)[1][1] == "CLOSE-WAIT"
    assert len(far.read(1000, network.now)) == 500
    far.close(network.now)
    network.run(until=lambda: near.state is State.TIME_WAIT, limit_s=1)
    assert shown(client)[0][1] == "TIME-WAIT"
    network.run(limit_s=120)
    assert shown(client) == []


def test_internals_are_those_of_tcp_info(network, connect):
    client, server = network.host(1), network.host(2)
    near, _ = connect(network, client, server)
    near.write(bytes(100), network.now)
    network.run(limit_s=1)
    (row,) = sockets(client, network.now)
    info = row["info"]
    assert (info["congestion"], info["cwnd"], info["sack"], info["timestamps"]) == (
        "cubic", 10, True, True,
    )  # fmt: skip
    assert info["ecn"] is False  # Nobody asks for it unless told to.
    assert 1.9 < info["minrtt_ms"] < 4  # One millisecond each way, and ARP.
    assert info["minrtt_ms"] <= info["rtt_ms"]
    assert info["mss"] == 1398  # 1450 less headers and timestamps.
    assert info["rto_ms"] >= 200
    assert info["backoff"] == 0
    assert info["unacked_octets"] == 0
    assert "ssthresh" not in info  # Nothing was lost.
    network.passes = lambda frame: False
    near.write(bytes(5000), network.now)
    network.run(limit_s=2)
    info = sockets(client, network.now)[0]["info"]
    assert info["backoff"] >= 1
    assert info["cwnd"] == 1
    assert info["ssthresh"] >= 2
    assert info["recovery"] == "loss"
    assert info["unacked_octets"] == 5000


def test_moments_are_those_of_data_and_of_acknowledgments(network, connect):
    client, server = network.host(1), network.host(2)
    near, far = connect(network, client, server)
    near.write(bytes(100), network.now)
    network.run(limit_s=3)
    mine, theirs = (sockets(host, network.now)[-1]["info"] for host in (client, server))
    assert 2990 <= mine["lastsnd_ms"] <= 3000
    assert 2990 <= theirs["lastrcv_ms"] <= mine["lastsnd_ms"]  # What came, and after it left.
    assert mine["lastrcv_ms"] >= 3000  # Never: since the handshake.
    assert mine["lastack_ms"] < mine["lastsnd_ms"]
    assert mine["pmtu"] == 1450
    far.write(b"x", network.now)
    network.passes = lambda frame: False
    network.run(limit_s=1.5)
    theirs = sockets(server, network.now)[-1]["info"]
    assert theirs["lastsnd_ms"] < 1000  # It was sent again.
    assert theirs["lastrcv_ms"] >= 4490
    near.family.output.path_mtu.lower(server.address.packed, 1300, network.now)
    assert sockets(client, network.now)[-1]["info"]["pmtu"] == 1300


def test_totals_are_those_of_the_whole_life(network, connect):
    client, server = network.host(1), network.host(2)
    near, far = connect(network, client, server)
    near.write(bytes(10_000), network.now)
    network.run(limit_s=1)
    mine, theirs = (sockets(host, network.now)[-1]["info"] for host in (client, server))
    assert (mine["bytes_sent"], mine["bytes_acked"], mine["bytes_received"]) == (10_000, 10_000, 0)
    assert (theirs["bytes_received"], theirs["bytes_sent"], theirs["segs_out"]) == (
        10_000, 0, mine["segs_in"],
    )  # fmt: skip
    assert theirs["segs_in"] == mine["segs_out"] - 1  # Its SYN came before there was a connection.
    assert (mine["bytes_retrans"], mine["retrans_total"], mine["lost_octets"]) == (0, 0, 0)
    network.passes = lambda frame: False
    near.write(bytes(100), network.now)
    network.run(limit_s=1.5)
    mine = sockets(client, network.now)[-1]["info"]
    assert mine["retrans_total"] >= 1
    assert mine["bytes_retrans"] == 100 * mine["retrans_total"]
    assert mine["bytes_sent"] == 10_100 + mine["bytes_retrans"]
    assert mine["lost_octets"] == 100
    network.passes = lambda frame: True
    network.run(until=lambda: not near.unacknowledged_octets, limit_s=10)
    near.close(network.now)
    assert len(far.read(20_000, network.now)) == 10_100
    far.close(network.now)
    network.run(limit_s=0.5)
    (mine,) = [row["info"] for row in sockets(client, network.now)]
    assert mine["bytes_acked"] == 10_100  # The FIN is no data.
    assert mine["bytes_received"] == 0


def test_rows_travel_as_plain_values(network, connect):
    client, server = network.host(1), network.host(2)
    connect(network, client, server)
    server.udp_bind(None, 53)
    for host in (client, server):
        assert msgpack.unpackb(msgpack.packb(sockets(host, network.now))) == sockets(
            host, network.now
        )
