"""What filters mean, and which words are refused where."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdev.capture_filter import tree
from netdev.capture_filter.match import compile_tree
from netdev.capture_filter.parse import NESTING_MAX, TERMS_MAX, Endpoint, parse
from netdev.capture_filter.words import FilterError

TEXT = """
    host net port portrange src dst tcp udp icmp arp ip ip6 vxlan and or not ( ) [ ] : = != & | +
    - / % < > << 10.244.1.5 10.244 8 16 80 fd00::1 tcpflags tcp-syn len syn pod svc default/web
    0x10 ether 0a:58:0a:f4:01:05 proto mask less greater broadcast
"""
WORDS = TEXT.split()


def resolved(kind, name):
    table = {
        ("pod", "default/web-1"): [Endpoint(ip_address("10.244.1.5"))],
        ("pod", "kube-system/dns"): [
            Endpoint(ip_address("10.244.2.7")),
            Endpoint(ip_address("fd00::7")),
        ],
        ("svc", "default/web"): [
            Endpoint(ip_address("10.96.0.10"), 80),
            Endpoint(ip_address("10.244.1.5"), 8080),
        ],
        ("svc", "default/headless"): [],
    }
    if (kind, name) not in table:
        raise ValueError(f"there is no {kind} {name}")
    return table[kind, name]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("host 10.0.0.1", "net 10.0.0.1/32"),
        ("10.0.0.1", "net 10.0.0.1/32"),
        ("10.244.0.0/16", "net 10.244.0.0/16"),
        ("src net 10.244", "src net 10.244.0.0/16"),
        ("port http", "portrange 80-80"),
        ("tcp dst port 80 or 443", "tcp dst portrange 80-80 or tcp dst portrange 443-443"),
        ("port 53 or http", "portrange 53-53 or portrange 80-80"),
        ("src host 10.0.0.1 or 10.0.0.2", "src net 10.0.0.1/32 or src net 10.0.0.2/32"),
        ("tcp or udp and arp", "tcp or udp and arp"),
        ("tcp or (udp and arp)", "tcp or (udp and arp)"),
        ("not tcp and udp", "not (tcp) and udp"),
        ("portrange 90-80", "portrange 80-90"),
        ("ip proto tcp", "ip[9:1] = 6"),
        ("ip proto \\tcp", "ip[9:1] = 6"),
        ("proto 6", "ip[9:1] = 6 or (ip6[6:1] = 44 and ip6[40:1] = 6 or ip6[6:1] = 6)"),
        ("ether multicast", "multicast"),
        ("not ip6 multicast", "not (ip6[24:1] = 255)"),
        ("port ftp or ftp-data", "portrange 21-21 or portrange 20-20"),
        ("tcp[13] & 2 != 0", "(tcp[13:1] & 2) != 0"),
        ("1 + 2 * len > 4", "(1 + (2 * len)) > 4"),
        ("(tcp[tcpflags] & (tcp-syn | tcp-ack)) == tcp-syn", "(tcp[13:1] & (2 | 16)) = 2"),
        ("pod web-1", "net 10.244.1.5/32"),
        ("host pod default/web-1", "net 10.244.1.5/32"),
        ("src pod kube-system/dns", "src net 10.244.2.7/32 or src net fd00::7/128"),
        (
            "dst svc default/web",
            "dst net 10.96.0.10/32 and dst portrange 80-80 or "
            "(dst net 10.244.1.5/32 and dst portrange 8080-8080)",
        ),
    ],
)
def test_what_a_filter_means(text, meaning):
    assert tree.text(parse(text, resolved)) == meaning


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("hots 10.0.0.1", r"at 'hots' \(column 1\): unknown word; did you mean 'host'\?"),
        ("tcp and prt 80", r"at 'prt' \(column 9\): unknown word; did you mean 'port'\?"),
        ("tcp port", "at its end: port of what"),
        ("port 70000", r"at '70000' \(column 6\): no port; a port is 0 to 65535"),
        ("port web", "no port"),
        ("tcp host 10.0.0.1", "'tcp' says nothing of IP addresses"),
        ("icmp port 80", "'icmp' says nothing of ports"),
        ("ip host fd00::1", "'ip' does not have such addresses"),
        ("host 10.0.0.300", "no IP address"),
        ("host 0a:58:0a:f4:01:05", "write ether host"),
        ("ether host 10.0.0.1", "no Ethernet address"),
        ("net 10.244.1.5/16", "has host bits set"),
        ("net 10.0.0.0/40", "no network"),
        ("(tcp", r"at '\(' \(column 1\): '\)' is missing"),
        ("tcp)", "nothing was opened"),
        ("tcp udp", "'and' or 'or' is missing before it"),
        ("tcp and", "at its end: a word is missing"),
        ("tcp[13", r"'\]' is missing"),
        ("tcp[13:3] = 1", "1, 2 or 4 octets"),
        ("tcp[13] & 2", "a comparison is meant"),
        ("len / 0 = 1", "division by zero"),
        ("len > 99999999999", "32 bits"),
        ("ether", "'ether' needs"),
        ("vxlan and vxlan", "stands there once"),
        ("host €", r"at '€' \(column 6\): no word of a filter"),
        ("pod nobody", r"at 'nobody' \(column 5\): there is no pod default/nobody"),
        ("svc headless", "svc default/headless has no address"),
        ("svc", "NAME is meant"),
        ("tcp proto 6", "before 'proto' stands"),
        ("ip broadcast", r"at 'broadcast' \(column 4\): .*known by its network"),
        ("ip6 broadcast", "no broadcast"),
        ("tcp and vlan 5", r"at 'vlan' \(column 9\): no frame here has a VLAN tag.*leave it out"),
        ("mpls", "an MPLS label"),
        ("inbond", "did you mean 'inbound'"),
        ("ip proto web", "no protocol"),
        ("(" * 60 + "tcp" + ")" * 60, "too deep"),
        (" or ".join(["tcp"] * (TERMS_MAX + 1)), "too long"),
        ("len " + "+ 1 " * 60 + "> 3", "too long"),
        ("x" * 20_000, "longer than"),
    ],
)
def test_what_is_wrong_is_pointed_at(text, complaint):
    with pytest.raises(FilterError, match=complaint) as error:
        parse(text, resolved)
    assert "\n" not in str(error.value)


def test_names_are_not_for_the_datapath():
    with pytest.raises(FilterError, match="command line only"):
        parse("pod default/web-1")


def test_the_longest_filter_is_compiled_and_evaluated():
    text = " or ".join(["port 1"] * TERMS_MAX)
    test = compile_tree(parse(tree.text(parse(text))))
    assert test(bytes(64)) is False
    deep = "(" * (NESTING_MAX - 1) + "not arp" + ")" * (NESTING_MAX - 1)
    with pytest.raises(FilterError, match="too deep"):
        parse(f"({deep})")
    assert compile_tree(parse("(" * 40 + "not arp" + ")" * 40))(bytes(64))


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_any_words_make_a_filter_or_an_error(text):
    try:
        parsed = parse(text, resolved)
    except FilterError:
        return
    assert compile_tree(parse(tree.text(parsed)))(bytes(60)) in (True, False)


@given(st.text(max_size=60))
def test_any_text_makes_a_filter_or_an_error(text):
    with contextlib.suppress(FilterError):
        assert tree.text(parse(text, resolved))
