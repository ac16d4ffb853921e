"""Frames that scapy made, in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.layers.vxlan import VXLAN

from podwire.cli.packet_words import words_of

A, B = "10.244.1.5", "10.244.2.5"
A6, B6 = "fd00::5", "fd00::6"
FRAMES = [
    (
        IP(src=A, dst=B, ttl=9) / TCP(sport=1, dport=80, flags="S"),
        f"{A}:1 > {B}:80 TCP [SYN] ttl 9",
    ),
    (
        IPv6(src=A6, dst=B6, hlim=3) / TCP(sport=1, dport=80, flags="RA"),
        f"[{A6}]:1 > [{B6}]:80 TCP [RST,ACK] ttl 3",
    ),
    (IP(src=A, dst=B) / UDP(sport=5, dport=53) / b"x", f"{A}:5 > {B}:53 UDP ttl 64"),
    (IP(src=A, dst=B) / ICMP(type=8), f"{A} > {B} ICMP echo request ttl 64"),
    (IP(src=A, dst=B) / ICMP(type=11), f"{A} > {B} ICMP time exceeded ttl 64"),
    (IP(src=A, dst=B) / ICMP(type=42), f"{A} > {B} ICMP type 42 ttl 64"),
    (IPv6(src=A6, dst=B6) / ICMPv6EchoRequest(), f"{A6} > {B6} ICMPv6 echo request ttl 64"),
    (IPv6(src=A6, dst=B6) / ICMPv6TimeExceeded(), f"{A6} > {B6} ICMPv6 time exceeded ttl 64"),
    (IP(src=A, dst=B, frag=5, proto=6) / b"xxxxxxxx", f"{A} > {B} TCP ttl 64"),
    (IP(src=A, dst=B, proto=132) / b"xxxxxxxx", f"{A} > {B} protocol 132 ttl 64"),
]


@pytest.mark.parametrize(("packet", "said"), FRAMES)
def test_packet_is_said_and_so_is_what_a_tunnel_carries(packet, said):
    frame = bytes(Ether() / packet)
    assert str(words_of(frame)) == said
    outer = Ether() / IP(src="192.168.64.1", dst="192.168.64.2") / UDP(dport=4789) / VXLAN(vni=1)
    found = words_of(bytes(outer / frame))
    assert (str(found), found.within) == (said, "192.168.64.1 > 192.168.64.2")


def test_what_is_no_ip_has_no_words():
    assert words_of(bytes(Ether() / ARP())) is None
    assert words_of(b"") is None
    assert words_of(bytes(Ether() / IP(src=A, dst=B))[:25]) is None


@given(st.binary(max_size=120), st.sampled_from([b"\x08\x00\x45", b"\x86\xdd\x60", b""]))
def test_any_octets_give_words_or_none(octets, head):
    words_of(bytes(12) + head + octets)
