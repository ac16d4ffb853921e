"""Capture files, read back by scapy."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess

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


def test_tshark_reads_comments_directions_and_who_made_it(tmp_path):
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    path = tmp_path / "commented.pcapng"
    frame = bytes(12) + b"\x08\x00" + bytes(46)
    with path.open("wb") as file:
        writer = PcapngWriter(file, application="podwire 9", hardware="x86", system="Linux")
        for direction, comment in (("in", "slow path; dropped: ip-martian"), ("out", "é" * 5000)):
            writer.packet(10**18, "node-1/eth0", frame, direction=direction, comment=comment)
    fields = ["frame.comment", "frame.packet_flags_direction", "frame.interface_name"]
    rows = read(path, *fields)
    assert rows[0] == ["slow path; dropped: ip-martian", "0x00000001", "node-1/eth0"]
    assert rows[1][0] == "é" * 2048  # A comment is cut between characters.
    assert rows[1][1] == "0x00000002"
    said = subprocess.run(["capinfos", str(path)], capture_output=True, text=True, check=True)
    for words in ("podwire 9", "x86", "Linux", "Name = node-1/eth0", "nanosecond"):
        assert words in said.stdout


def test_statistics_count_what_came_and_what_was_lost(tmp_path):
    if shutil.which("capinfos") is None:
        pytest.skip("capinfos is not installed")
    path = tmp_path / "counted.pcapng"
    with path.open("wb") as file:
        writer = PcapngWriter(file, wanted="tcp port 80")
        for _ in range(3):
            writer.packet(0, "eth0", bytes(60))
        writer.interface("cni0", "where pods are")
        for name in writer.interfaces:
            writer.statistics(name, start_ns=0, end_ns=10**9, dropped=7)
    said = subprocess.run(["capinfos", str(path)], capture_output=True, text=True, check=True)
    assert "Number of interfaces in file: 2" in said.stdout
    assert said.stdout.count("Number of stat entries = 1") == 2
    assert "Filter string = tcp port 80" in said.stdout
    assert "Description = where pods are" in said.stdout
    octets = path.read_bytes()
    assert octets.count(struct.pack("<HHQ", 4, 8, 10)) == 1  # isb_ifrecv: 3 and the 7 lost.
    assert octets.count(struct.pack("<HHQ", 5, 8, 7)) == 2  # isb_ifdrop


def test_a_file_that_was_cut_in_a_block_is_read_up_to_it(tmp_path):
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    file = io.BytesIO()
    writer = PcapngWriter(file)
    writer.packet(0, "eth0", bytes(60))
    whole = len(file.getvalue())
    path = tmp_path / "cut.pcapng"
    path.write_bytes(file.getvalue())
    assert len(read(path, "frame.len")) == 1
    writer.packet(0, "eth0", bytes(60))
    path.write_bytes(file.getvalue()[: whole + 20])
    command = ["tshark", "-r", str(path), "-T", "fields", "-e", "frame.len"]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == "60\n"


def read(path, *fields):
    """Return the fields of every packet, as tshark decodes them."""
    chosen = [word for field in fields for word in ("-e", field)]
    command = ["tshark", "-r", str(path), "-T", "fields", *chosen]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split("\t") for line in said.splitlines()]
