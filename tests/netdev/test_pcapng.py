"""Capture files, read back by scapy."""

from __future__ import annotations

import io

import pytest
from scapy.utils import RawPcapNgReader

from netdev.pcapng import PcapngWriter


@pytest.fixture
def written():
    file = io.BytesIO()
    writer = PcapngWriter(file)
    for index, name in enumerate(["eth0", "cni0", "eth0"]):
        octets = bytes(range(60 + index))
        writer.packet(1_700_000_000_123_456_789 + index, name, octets, direction="out")
    writer.flush()
    file.seek(0)
    return file


def test_packets_come_back_with_time_interface_and_octets(written):
    packets = list(RawPcapNgReader(written))
    assert [octets for octets, _ in packets] == [bytes(range(60 + n)) for n in range(3)]
    for index, (_, meta) in enumerate(packets):
        assert meta.tshigh << 32 | meta.tslow == 1_700_000_000_123_456_789 + index
        assert meta.tsresol == 10**9
        assert meta.linktype == 1
    assert [meta.ifname for _, meta in packets] == [b"eth0", b"cni0", b"eth0"]


def test_every_block_is_aligned_and_says_its_length_twice(written):
    octets, at = written.getvalue(), 0
    while at < len(octets):
        length = int.from_bytes(octets[at + 4 : at + 8], "little")
        assert length % 4 == 0
        assert octets[at + length - 4 : at + length] == octets[at + 4 : at + 8]
        at += length
    assert at == len(octets)


def test_a_cut_packet_keeps_its_original_length():
    file = io.BytesIO()
    PcapngWriter(file).packet(0, "eth0", b"x" * 20, original_length=1500)
    file.seek(0)
    ((octets, meta),) = RawPcapNgReader(file)
    assert (len(octets), meta.wirelen) == (20, 1500)
