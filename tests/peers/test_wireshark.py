"""The judge sees what is wrong, or its silence would mean nothing."""

from __future__ import annotations

from ipaddress import IPv4Address

import netns
import pytest
import wireshark

from netdev.pcapng import PcapngWriter
from netstack.wire import ethernet, ipv4, tcp

HERE, THERE = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
PORT = 53  # Elsewhere Wireshark would look for DNS in it.


def frame(number, data=b"data", *, flags=tcp.Flag.ACK):
    segment = tcp.Tcp(
        source_port=40000,
        destination_port=PORT,
        sequence=number,
        acknowledgment=1,
        flags=flags,
        window=1000,
        payload=data,
    ).emit(HERE, THERE)
    packet = ipv4.Ipv4(
        source=HERE, destination=THERE, protocol=ipv4.PROTOCOL_TCP, payload_length=len(segment)
    ).emit()
    header = ethernet.Ethernet(bytes(6), bytes(6), ethernet.ETHERTYPE_IPV4).emit()
    return header + packet + segment


def changed(octets, at):
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        ([frame(1), frame(5)], ""),
        ([changed(frame(1), 55)], "bad checksum"),
        ([changed(frame(1), 22)], "bad checksum"),
        ([frame(1), frame(5), frame(1)], "retransmission"),
        ([frame(1), frame(9)], "previous segment"),
        ([frame(1)[:40]], "malformed"),
        ([frame(1, b"", flags=tcp.Flag.RST)], "reset"),
    ],
)
def test_it_says_what_is_wrong(tmp_path, frames, said):
    if why := netns.missing("tshark"):
        pytest.skip(why)
    file = tmp_path / "frames.pcapng"
    with file.open("wb") as stream:
        writer = PcapngWriter(stream)
        for number, each in enumerate(frames):
            writer.packet(number * 10_000_000, "eth0", each)
    found = wireshark.findings(file)
    assert bool(found) == bool(said)
    assert not said or any(said in each.message.lower() for each in found), found
