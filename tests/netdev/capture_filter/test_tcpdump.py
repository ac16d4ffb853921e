"""What people type, over one capture: tcpdump and we choose the same packets of it."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from itertools import product

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP, fragment
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    IPv6,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import ARP, Ether

from netdev.capture_filter.match import compile_tree
from netdev.capture_filter.parse import parse
from netdev.pcapng import PcapngWriter

TYPED = r"""
host 10.244.1.5
host 10.244.1.5 and not port 22
host 10.244.1.5 and ( 10.244.2.5 or 10.96.0.10 )
ip host 10.244.1.5 and not 10.96.0.10
net 10.244
net 10
src net 10.1
net 10.244.0.0/16
dst net 10.244.0.0 mask 255.255.0.0
src 10.244.1.5
dst 10.244.2.5
src or dst 10.244.2.5
src and dst host 10.244.1.5
src host 10.244.1.5 and dst port 80
port 80
port http
port domain
tcp port http or https
src port 53
dst port 53
udp port 53
tcp src port 80
udp portrange 50-90
portrange 8000-9000
src portrange 8000-9000
tcp or udp
tcp and not port 80
icmp
icmp6
icmp or icmp6
arp
rarp
ip
ip6
igmp
esp
ah
sctp
pim
vrrp
ip multicast
ip6 multicast
ether broadcast
ether multicast
broadcast
multicast
ether host 0a:58:0a:f4:01:05
ether src 0a:58:0a:f4:01:05
ether dst ff:ff:ff:ff:ff:ff
ether proto 0x0806
ether proto \ip
ether proto \arp
ip proto 17
ip proto \tcp
ip proto \icmp
ip6 proto 6
ip6 proto \udp
proto 6
proto \udp
ip[0] & 0xf != 5
ip[6:2] & 0x1fff = 0
ip[6:2] & 0x1fff != 0
ip[6] & 0x20 != 0
ip[8] < 5
ip[9] = 6
ip[2:2] > 576
ip[16] >= 224
ether[0] & 1 = 0 and ip[16] >= 224
ether[0] & 1 = 1
tcp[13] & 2 != 0
tcp[13] == 2
tcp[13] = 18
tcp[13] & 4 != 0
tcp[tcpflags] & (tcp-syn|tcp-fin) != 0
tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net 10.244.0.0/16
tcp[tcpflags] == tcp-syn
tcp[tcpflags] & (tcp-rst) != 0
tcp[tcpflags] & tcp-push != 0
tcp[tcpflags] & (tcp-ack|tcp-urg) != 0
tcp[tcpflags] & (tcp-ece|tcp-cwr) != 0
tcp[0:2] = 80
tcp[2:2] > 1023
tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)
tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420
tcp[20:4] = 0x47455420
icmp[icmptype] = icmp-echo
icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply
icmp[0] == 8
icmp[icmptype] == icmp-unreach and icmp[icmpcode] == 4
icmp6[icmp6type] == icmp6-echo
icmp6[icmp6type] = icmp6-neighborsolicit
icmp6[0] == 128
ip6[6] == 6
ip6[7] < 10
ip6[40] == 128
udp[4:2] > 20
udp[8:2] & 0xff = 0
arp[6:2] = 1
arp[7] = 2
greater 100
less 100
len > 100
len <= 64
greater 60 and less 200
not arp and not icmp
not (arp or icmp)
!arp && !icmp
tcp || udp
host fd00:10:244:1::5
src host fd00:10:244:1::5
net fd00:10:244::/48
ip6 and tcp
ip6 and udp port 53
ip6 host fd00:10:244:2::5
tcp port 80 and ip6
ip and tcp
src port 80 or dst port 53
tcp dst port 80 or 8080
dst host 10.244.2.5 or 10.96.0.10
port 53 or 80 or 4789
ip src 10.244.1.5
arp host 10.244.1.5
arp src 10.244.1.5
arp net 10.244.0.0/16
rarp host 10.244.1.5
ether host 0a:58:0a:f4:01:05 and ip
ip and not net 10.0.0.0/8
src net 10.244.1.0/24 and dst net 10.244.2.0/24
1 = 1
len - 14 = ip[2:2]
ip[2:2] + 14 = len
port 0x50
tcp port 80 and len > 60
icmp[icmptype] = icmp-timxceed
icmp[icmptype] = 11
tcp[tcpflags] & tcp-syn == tcp-syn
(tcp)
((tcp) and (port 80))
not host 10.244.1.5
not port 80 and not port 53
host 10.244.1.5 or host 10.96.0.10 and tcp
tcp and dst portrange 1-1023
udp and ip[8] > 100
dst 255.255.255.255
dst net 224.0.0.0/4
src net 192.168.64.0/24
ip[12:4] = 0x0af40105
ip[1] & 0xfc = 0xb8
ip[1] & 3 = 3
port ftp or ftp-data
udp port bootps or bootpc
"""
EXPRESSIONS = TYPED.strip().splitlines()
PAIRS = (
    ("10.244.1.5", "10.244.2.5"),
    ("10.244.2.5", "10.96.0.10"),
    ("192.168.64.254", "10.244.1.5"),
    ("10.1.2.3", "224.0.0.251"),
    ("8.8.8.8", "255.255.255.255"),
)
PAIRS6 = (("fd00:10:244:1::5", "fd00:10:244:2::5"), ("fe80::1", "ff02::1"))
MACS = (("0a:58:0a:f4:01:05", "ff:ff:ff:ff:ff:ff"), ("ee:00:00:00:00:01", "0a:58:0a:f4:01:05"))


def of_ipv4(ip):
    """Return packets behind *ip*: of every protocol that an expression names."""
    for flags in ("S", "SA", "A", "F", "R", "PA", "UEC", ""):
        yield ip() / TCP(sport=40000 if flags == "S" else 80, dport=8080, flags=flags)
    yield ip() / TCP(sport=8080, dport=80, flags="A")
    yield ip(ttl=3, tos=0xB8) / TCP(dport=80, flags="PA") / b"GET / HTTP"
    yield ip(options=[IPOption_NOP()] * 4) / TCP(sport=1, dport=80, options=[("NOP", 0)] * 4)
    for port in (53, 4789, 68):
        yield ip(tos=3, ttl=128) / UDP(sport=port, dport=53) / bytes(port)
    for kind, code in ((8, 0), (0, 0), (3, 4), (3, 3), (11, 0), (5, 1)):
        yield ip() / ICMP(type=kind, code=code)
    for protocol in (2, 50, 51, 132, 103, 112, 47):
        yield ip(proto=protocol) / bytes(40)
    yield from fragment(ip() / UDP(sport=53, dport=53) / bytes(300), 100)


def of_ipv6(ip):
    yield ip() / TCP(sport=40000, dport=80, flags="S")
    yield ip(hlim=3) / UDP(sport=53, dport=53) / bytes(30)
    yield ip() / ICMPv6EchoRequest()
    yield ip() / ICMPv6ND_NS(tgt="fe80::1")
    yield ip() / IPv6ExtHdrFragment(nh=17, offset=0, m=1) / UDP(sport=53, dport=53) / bytes(20)
    yield ip() / IPv6ExtHdrFragment(nh=6, offset=5, m=1) / bytes(20)
    yield ip() / IPv6ExtHdrHopByHop() / UDP(sport=53, dport=53)


def made():
    for (source, destination), (mine, theirs) in product(PAIRS, MACS):
        ethernet = Ether(src=mine, dst=theirs)
        for packet in of_ipv4(lambda **more: IP(src=source, dst=destination, **more)):  # noqa: B023
            yield ethernet / packet
        for kind, operation in ((0x0806, 1), (0x0806, 2), (0x8035, 3)):
            message = ARP(psrc=source, pdst=destination, op=operation)
            yield Ether(src=mine, dst=theirs, type=kind) / message
    for source, destination in PAIRS6:
        ethernet = Ether(src=MACS[0][0], dst="33:33:00:00:00:01")
        for packet in of_ipv6(lambda **more: IPv6(src=source, dst=destination, **more)):  # noqa: B023
            yield ethernet / packet
    yield Ether(src=MACS[0][0], dst="01:80:c2:00:00:0e", type=0x88CC) / bytes(46)


FRAMES = [bytes(frame) for frame in made()]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    if shutil.which("tcpdump") is None:
        pytest.skip("tcpdump is not installed")
    stream = io.BytesIO()
    writer = PcapngWriter(stream)
    for second, frame in enumerate(FRAMES):
        writer.packet(second * 10**9, "eth0", frame, direction="in")
    path = tmp_path_factory.mktemp("corpus") / "corpus.pcapng"
    path.write_bytes(stream.getvalue())
    return path


def chosen_by_tcpdump(file, expression):
    """Return which packets it chooses, by their seconds."""
    done = subprocess.run(
        ["tcpdump", "-r", file, "-w", "-", expression], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found, at = [], 24
    while at < len(done.stdout):
        second, _, kept, _ = struct.unpack_from("=IIII", done.stdout, at)
        found.append(second)
        at += 16 + kept
    return found


@pytest.mark.parametrize("part", range(4))
def test_the_same_packets_are_chosen(file, part):
    for expression in EXPRESSIONS[part::4]:
        wanted = compile_tree(parse(expression))
        ours = [second for second, frame in enumerate(FRAMES) if wanted(frame)]
        theirs = chosen_by_tcpdump(file, expression)
        if "tcp[" in expression or "udp[" in expression:  # We look into IPv6, too.
            ours = [second for second in ours if FRAMES[second][12:14] != b"\x86\xdd"]
        assert ours == theirs, expression


def test_the_corpus_has_something_for_nearly_every_expression():
    vain = [text for text in EXPRESSIONS if not any(map(compile_tree(parse(text)), FRAMES))]
    assert vain == ["src and dst host 10.244.1.5"], vain
