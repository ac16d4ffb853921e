"""IPv6 that came in pieces leaves in pieces as long, whatever was done to the whole."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import UDP
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    PadN,
    fragment6,
)

from netstack.drops import DropReason
from nodeagent.datapath import fragments, fragments6
from nodeagent.datapath.fragments import Defragmenter
from nodeagent.datapath.packet6 import Packet6

A, B = "fd00:10:244:1::5", "fd00:10:244:2::5"
RNG = random.Random(1)


def pieces_of(packet, size):
    return [Packet6.from_ip(bytes(each), "cni0") for each in fragment6(packet, size)]


def large(octets, *, before=None, identification=77):
    header = IPv6(src=A, dst=B, hlim=9) if before is None else IPv6(src=A, dst=B, hlim=9) / before
    payload = UDP(sport=1, dport=2) / (bytes(range(256)) * (octets // 256))
    return header / IPv6ExtHdrFragment(id=identification) / payload


def whole_of(defragmenter, pieces):
    wholes = [defragmenter.whole(piece, 0.0) for piece in pieces]
    (found,) = [each for each in wholes if each is not None]
    return found


@given(st.permutations(range(4)), st.sampled_from([None, IPv6ExtHdrHopByHop(options=[PadN()])]))
def test_pieces_in_any_order_are_whole_and_leave_as_long(order, before):
    defragmenter, pieces = Defragmenter(), pieces_of(large(4096, before=before), 1400)
    assert len(pieces) == 4
    whole = whole_of(defragmenter, [pieces[number] for number in order])
    assert len(defragmenter) == 0
    assert not whole.is_fragment
    assert whole.longest_fragment == max(piece.octets for piece in pieces)
    assert whole.checksum_holds()
    assert whole.flow is not None
    again = fragments6.cut(whole, RNG)
    assert [piece.octets for piece in again] == [piece.octets for piece in pieces]
    back = whole_of(Defragmenter(), again)
    assert bytes(back.ip) == bytes(whole.ip)
    assert {bytes(piece.frame[58:62]) for piece in again} != {(77).to_bytes(4, "big")}


def test_options_behind_the_fragment_header_stay_there():
    packet = IPv6(src=A, dst=B) / IPv6ExtHdrFragment() / IPv6ExtHdrDestOpt() / UDP() / bytes(3000)
    pieces = pieces_of(packet, 1280)
    whole = whole_of(Defragmenter(), pieces)
    assert [each.octets for each in fragments6.cut(whole, RNG)] == [each.octets for each in pieces]


def test_pieces_are_not_shorter_than_every_link_carries():
    whole = whole_of(Defragmenter(), pieces_of(large(3072), 600))
    assert whole.longest_fragment <= 600
    lengths = [each.octets for each in fragments.pieces(whole, 1450, RNG)]
    assert len(lengths) == 3
    assert 1272 < max(lengths) <= 1280


def test_what_came_whole_leaves_whole():
    packet = Packet6.from_ip(bytes(IPv6() / UDP() / bytes(1400)), "cni0")
    assert fragments.pieces(packet, 1450, RNG) == [packet]


def test_overlap_ends_the_packet():
    defragmenter, pieces = Defragmenter(), pieces_of(large(2048), 1400)
    lie = Packet6.from_ip(bytes(pieces[0].ip), "cni0")
    lie.frame[-1] ^= 1
    assert defragmenter.whole(pieces[0], 0.0) is None
    assert defragmenter.whole(lie, 0.0) is None
    assert defragmenter.drops == {DropReason.FRAGMENT_BAD: 1}
    assert len(defragmenter) == 0


def test_pieces_beyond_the_longest_packet_are_refused():
    header = IPv6(src=A, dst=B) / IPv6ExtHdrFragment(offset=8191, m=0, nh=17)
    packet = Packet6.from_ip(bytes(header / bytes(100)), "cni0")
    defragmenter = Defragmenter()
    assert defragmenter.whole(packet, 0.0) is None
    assert defragmenter.drops == {DropReason.FRAGMENT_BAD: 1}


def test_pieces_are_forgotten_after_a_minute():
    defragmenter = Defragmenter()
    defragmenter.whole(pieces_of(large(2048), 1400)[0], 5.0)
    assert defragmenter.deadline() == pytest.approx(65.0)
    defragmenter.handle_deadline(65.0)
    assert len(defragmenter) == 0
    assert defragmenter.drops == {DropReason.FRAGMENTS_LATE: 1}


def test_a_flood_of_first_pieces_is_bounded():
    defragmenter = Defragmenter()
    for number in range(80):
        piece = pieces_of(large(2048, identification=number), 1400)[0]
        defragmenter.whole(piece, 0.0)
    assert len(defragmenter) == 64
    assert defragmenter.drops == {DropReason.FRAGMENTS_FULL: 16}
