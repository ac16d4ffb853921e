"""A router looks at hop-by-hop options, and does what their kinds ask."""

from __future__ import annotations

import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import (
    HBHOptUnknown,
    ICMPv6ParamProblem,
    IPv6,
    IPv6ExtHdrHopByHop,
    PadN,
    RouterAlert,
)

from nodeagent.datapath.drops import DropReason

from .test_ip_input import POD, REMOTE, send


def with_option(kind: int) -> IPv6:
    options = [PadN(optdata=b""), HBHOptUnknown(otype=kind, optdata=b"ab")]
    return IPv6(src=POD, dst=REMOTE) / IPv6ExtHdrHopByHop(options=options) / UDP(sport=1, dport=9)


def test_options_that_ask_to_be_skipped_are(dual):
    dual.pod(1, 5)
    server = dual.pod(2, 5).udp_bind(None, 9)
    send(dual, with_option(0x1E) / b"new")
    assert server.receive().data == b"new"
    alert = IPv6ExtHdrHopByHop(options=[RouterAlert()])
    send(dual, IPv6(src=POD, dst=REMOTE) / alert / UDP(sport=1, dport=9) / b"alert")
    assert server.receive().data == b"alert"
    assert dual.nodes[1].drops == {}


@pytest.mark.parametrize(("kind", "told"), [(0x5E, False), (0x9E, True), (0xDE, True)])
def test_options_that_ask_for_it_end_the_packet(dual, kind, told):
    dual.pod(1, 5)
    server = dual.pod(2, 5).udp_bind(None, 9)
    problems = [each for each in send(dual, with_option(kind)) if ICMPv6ParamProblem in each]
    assert server.receive() is None
    assert [(each[ICMPv6ParamProblem].code, each[ICMPv6ParamProblem].ptr) for each in problems] == [
        (2, 44)
    ] * told  # Behind 40 octets, two of the header's own and two of padding.
    assert dual.nodes[1].drops == {DropReason.OPTION_UNKNOWN: 1}


def test_options_that_leave_their_header_are_malformed(dual):
    dual.pod(1, 5)
    server = dual.pod(2, 5).udp_bind(None, 9)
    frame = bytearray(bytes(with_option(0x1E)))
    frame[40 + 5] = 200  # The unknown option's length.
    send(dual, IPv6(bytes(frame)))
    assert server.receive() is None
    assert dual.nodes[1].drops == {DropReason.MALFORMED_PACKET: 1}
