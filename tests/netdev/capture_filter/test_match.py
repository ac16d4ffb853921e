"""Filters against libpcap's own verdicts, over packets made at random."""

from __future__ import annotations

import ctypes
import ctypes.util
import struct

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import ARP, Ether
from scapy.layers.vxlan import VXLAN

from netdev.capture_filter import tree
from netdev.capture_filter.match import compile_tree
from netdev.capture_filter.parse import parse

_HEADERS = 14 + 40 + 20
#: Not optimised: the optimiser changes when a load beyond a cut frame's end comes to pass.
_AS_WRITTEN = 0
_ETHERNET, _SNAPLEN, _NETMASK_UNKNOWN = 1, 262_144, 0xFFFFFFFF


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint), ("instructions", ctypes.c_void_p))


class _Header(ctypes.Structure):
    _fields_ = (
        ("seconds", ctypes.c_long),
        ("microseconds", ctypes.c_long),
        ("captured", ctypes.c_uint),
        ("length", ctypes.c_uint),
    )


class Libpcap:
    """tcpdump's compiler and interpreter."""

    def __init__(self, name: str) -> None:
        self._library = ctypes.CDLL(name)
        self._library.pcap_open_dead.restype = ctypes.c_void_p
        self._library.pcap_geterr.restype = ctypes.c_char_p
        self._handle = ctypes.c_void_p(self._library.pcap_open_dead(_ETHERNET, _SNAPLEN))

    def matches(self, text: str, frames: list[bytes]) -> list[bool] | None:
        """Return the verdicts on *frames*, None when *text* does not compile."""
        program = _Program()
        compiled = self._library.pcap_compile(
            self._handle, ctypes.byref(program), text.encode(), _AS_WRITTEN, _NETMASK_UNKNOWN
        )
        if compiled != 0:
            return None
        verdicts = []
        for frame in frames:
            header = _Header(0, 0, len(frame), len(frame))
            found = self._library.pcap_offline_filter(
                ctypes.byref(program), ctypes.byref(header), frame
            )
            verdicts.append(found != 0)
        self._library.pcap_freecode(ctypes.byref(program))
        return verdicts


@pytest.fixture(scope="module")
def libpcap():
    name = ctypes.util.find_library("pcap") or "libpcap.so.0.8"
    try:
        return Libpcap(name)
    except OSError:
        pytest.skip("libpcap is not installed")


ADDRESSES = ["10.244.1.5", "10.244.2.5", "10.96.0.10", "192.168.64.1"]
ADDRESSES6 = ["fd00:10:244:1::5", "fd00:10:244:2::5"]
PORTS = [53, 80, 4789, 8080]
MACS = ["0a:58:0a:f4:01:05", "ee:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01"]

address, address6 = st.sampled_from(ADDRESSES), st.sampled_from(ADDRESSES6)
port, mac = st.sampled_from(PORTS), st.sampled_from(MACS)


@st.composite
def frames(draw):
    """Return the octets of a frame: mostly whole, sometimes cut short behind its headers."""
    ethernet = Ether(src=draw(mac), dst=draw(mac))
    kind = draw(st.sampled_from(["tcp", "udp", "icmp", "arp", "fragment", "other"]))
    if kind == "arp":
        packet = ethernet / ARP(psrc=draw(address), pdst=draw(address), op=draw(st.integers(1, 2)))
    else:
        six = draw(st.booleans())
        if six:
            network = IPv6(src=draw(address6), dst=draw(address6))
        else:
            network = IP(src=draw(address), dst=draw(address), ttl=draw(st.integers(1, 255)))
        ports = {"sport": draw(port), "dport": draw(port)}
        flags = draw(st.integers(0, 63))
        payload = bytes(draw(st.integers(0, 40)))
        upper = {
            "tcp": TCP(**ports, flags=flags) / payload,
            "udp": UDP(**ports) / payload,
            "icmp": (ICMPv6EchoRequest() if six else ICMP(type=draw(st.integers(0, 11)))) / payload,
            "other": payload,
            "fragment": payload,
        }[kind]
        if kind == "fragment" and six:
            upper = IPv6ExtHdrFragment(nh=17, offset=draw(st.integers(0, 2)), m=1) / payload
        elif kind == "fragment":
            network.proto, network.frag, network.flags = 17, draw(st.integers(0, 3)), "MF"
        packet = ethernet / network / upper
    octets = bytes(packet)
    cut = draw(st.one_of(st.none(), st.integers(_HEADERS, max(_HEADERS, len(octets)))))
    return octets[:cut]


def joined(*parts):
    return st.tuples(*parts).map(lambda words: " ".join(filter(None, words)))


direction = st.sampled_from(["", "src", "dst", "src or dst", "src and dst"])
one_value = st.one_of(
    joined(st.sampled_from(["", "ip", "arp"]), direction, st.just("host"), address),
    joined(st.sampled_from(["", "ip6"]), direction, st.just("host"), address6),
    joined(st.sampled_from(["src", "dst"]), address),
    joined(
        direction,
        st.just("net"),
        st.sampled_from(
            [
                "10.244.0.0/16",
                "10.96.0.0/12",
                "10.244",
                "10.0.0.0 mask 255.0.0.0",
                "fd00:10:244::/48",
                "0.0.0.0/0",
            ]
        ),
    ),
    joined(st.sampled_from(["", "tcp", "udp"]), direction, st.just("port"), port.map(str)),
    joined(st.sampled_from(["", "tcp", "udp"]), direction, st.just("portrange 50-90")),
    joined(st.just("ether"), st.sampled_from(["host", "src", "dst"]), mac),
    st.sampled_from(
        [
            "ip",
            "ip6",
            "arp",
            "tcp",
            "udp",
            "icmp",
            "icmp6",
            "sctp",
            "ether broadcast",
            "ether multicast",
            "less 60",
            "greater 60",
            "ip proto 17",
            "ether proto 0x0806",
            "ip multicast",
            "ip6 multicast",
            "proto 17",
            "ip6 proto 6",
            "igmp",
            "rarp",
            "port 53 or 80",
            "tcp dst port 80 or 8080",
            "host 10.244.1.5 or 10.96.0.10",
            "src net 10.244.0.0/16 and port 80",
        ]
    ),
)
number = st.integers(0, 70).map(str)
header = st.sampled_from(["ether", "ip", "ip6", "arp", "tcp", "udp", "icmp"])
load = st.builds(
    lambda name, at, size: f"{name}[{at}:{size}]", header, number, st.sampled_from([1, 2, 4])
)
operand = st.one_of(load, number, st.just("len"), st.just("tcp[tcpflags]"), st.just("icmp[0]"))
value = st.one_of(
    operand,
    # libpcap forgets which protocol the right operand needs, so that has none.
    st.builds("({} {} {})".format, operand, st.sampled_from("+-*&|^"), number),
    st.builds("{} {} {}".format, operand, st.sampled_from(["&", "<<", ">>", "+"]), number),
)
relation = st.builds(
    "{} {} {}".format, value, st.sampled_from(["=", "==", "!=", "<", ">", "<=", ">="]), value
)
primitive = st.one_of(one_value, one_value, relation)
filters = st.recursive(
    primitive,
    lambda inner: st.one_of(
        st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or", "&&", "||"]), primitive),
        st.builds("({}) {} ({})".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("not ({})".format, inner),
        st.builds("! {}".format, primitive),
    ),
    max_leaves=5,
)


def ours(text, octets):
    return [compile_tree(parse(text))(each) for each in octets]


def is_extended(text, octets):
    """Tell whether our deviation shows: transports of IPv6 can be read into."""
    reads = any(f"{name}[" in text for name in ("tcp", "udp", "icmp"))
    return reads and any(each[12:14] == b"\x86\xdd" for each in octets)


@settings(max_examples=120, deadline=None)
@given(text=filters, octets=st.lists(frames(), min_size=1, max_size=6))
def test_verdicts_are_those_of_libpcap(libpcap, text, octets):
    text = text.replace("ether broadcast", "broadcast").replace("ether multicast", "multicast")
    assume(not is_extended(text, octets))
    theirs = libpcap.matches(
        text.replace("broadcast", "ether broadcast").replace("multicast", "ether multicast"), octets
    )
    assume(theirs is not None)  # A constant expression that libpcap refuses.
    assert ours(text, octets) == theirs


@settings(max_examples=60, deadline=None)
@given(text=filters, octets=st.lists(frames(), min_size=1, max_size=4))
def test_a_filter_written_as_text_again_matches_the_same(text, octets):
    text = text.replace("ether broadcast", "broadcast").replace("ether multicast", "multicast")
    parsed = parse(text)
    assert parse(tree.text(parsed)) == parsed or ours(tree.text(parsed), octets) == ours(
        text, octets
    )


@settings(max_examples=60, deadline=None)
@given(octets=st.binary(max_size=120))
def test_any_octets_give_a_verdict(octets):
    for text in ("vxlan and tcp port 80", "not tcp[ip[0]:4] / len = 3", "syn or host ::1", "ip6"):
        assert compile_tree(parse(text))(octets) in (True, False)


def vxlan(inner, vni=1):
    outer = Ether() / IP(src="192.168.64.1", dst="192.168.64.2") / UDP(sport=4789, dport=4789)
    return bytes(outer / VXLAN(vni=vni) / inner)


INNER = Ether() / IP(src="10.244.1.5", dst="10.244.2.5") / TCP(sport=4000, dport=80, flags="S")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("vxlan", True),
        ("vxlan 1", True),
        ("vxlan 2", False),
        ("udp port 4789", True),
        ("tcp", False),
        ("vxlan and tcp port 80", True),
        ("vxlan and host 10.244.1.5 and syn", True),
        ("vxlan and host 192.168.64.1", False),
        ("host 192.168.64.1 and vxlan and host 10.244.1.5", True),
        ("vxlan and tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", True),
        ("vxlan and ack", False),
        ("vxlan and not udp", True),
        ("tcp port 80 or (vxlan and tcp port 80)", True),
    ],
)
def test_behind_vxlan_the_inner_frame_is_meant(text, found):
    assert compile_tree(parse(text))(vxlan(INNER)) is found
    assert compile_tree(parse(text))(memoryview(bytearray(vxlan(INNER)))) is found


def test_a_datagram_that_is_no_vxlan_has_no_inner_frame():
    flagless = bytearray(vxlan(INNER))
    flagless[42] = 0
    assert not compile_tree(parse("vxlan"))(flagless)
    assert not compile_tree(parse("vxlan and tcp"))(bytes(INNER))
    assert not compile_tree(parse("vxlan and tcp"))(vxlan(INNER)[:50])


def test_flags_and_headers_are_read_in_ipv6_too():
    syn = bytes(Ether() / IPv6(src="fd00::1", dst="fd00::2") / TCP(dport=80, flags="S"))
    for text in ("syn", "tcp[tcpflags] & tcp-syn != 0", "syn and not ack", "dst port 80"):
        assert compile_tree(parse(text))(syn), text


def test_a_later_fragment_has_no_ports():
    first, later = fragment(IP(dst="10.0.0.1") / UDP(sport=53, dport=53) / bytes(2000), 1000)[:2]
    test = compile_tree(parse("port 53"))
    assert test(bytes(Ether() / first))
    assert not test(bytes(Ether() / later))
    assert compile_tree(parse("udp and not port 53"))(bytes(Ether() / later))
    assert struct.unpack_from("!H", bytes(later), 6)[0] & 0x1FFF


def test_both_operands_need_their_protocol():
    arp = bytes(Ether() / ARP())
    for text in ("0 != 6 + tcp[tcpflags]", "tcp[tcpflags] + 6 != 0", "0 != tcp[tcpflags] + ip[0]"):
        assert not compile_tree(parse(text))(arp), text
        assert compile_tree(parse(text))(bytes(INNER)), text
