"""What a capture shows of the underlay is what a real one would carry."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from netstack.wire.ethernet import ETHERTYPE_IPV4, Ethernet, EthernetView
from netstack.wire.ipv4 import Ipv4, Ipv4View
from netstack.wire.udp import Udp, UdpView
from nodeagent.datapath import outer_frame
from nodeagent.datapath.devices import Eth0

OURS, THEIRS = IPv4Address("192.168.64.1"), IPv4Address("192.168.64.2")
ETH0 = Eth0(address=OURS, mac=outer_frame.mac_of(OURS))


@pytest.mark.parametrize(
    ("direction", "source", "destination"), [("out", OURS, THEIRS), ("in", THEIRS, OURS)]
)
def test_an_outer_frame_reads_back_with_right_checksums(direction, source, destination):
    frame = outer_frame.build(ETH0, THEIRS, b"payload", direction=direction, port=4789)
    ethernet = Ethernet.parse(EthernetView(frame))
    assert ethernet == Ethernet(
        outer_frame.mac_of(destination), outer_frame.mac_of(source), ETHERTYPE_IPV4
    )
    view = Ipv4View(EthernetView(frame).payload)
    packet = Ipv4.parse(view)
    assert (packet.source, packet.destination) == (source, destination)
    assert UdpView(view.payload).checksum != 0
    Udp.parse(UdpView(view.payload), source, destination)
    assert bytes(UdpView(view.payload).payload) == b"payload"
