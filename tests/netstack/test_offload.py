"""Super-frames cut and joined: equal both ways, with right checksums, and deaf to nonsense."""

from __future__ import annotations

import random
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netstack import offload
from netstack.tcp.settings import TcpSettings
from netstack.wire import MalformedPacket, ipv4, ipv6, tcp
from netstack.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ethernet

MACS = (bytes.fromhex("0a580af40105"), bytes.fromhex("0a580af40206"))
ADDRESSES = {
    4: (ip_address("10.244.1.5"), ip_address("10.244.2.6")),
    6: (ip_address("fd00:10:244:1::5"), ip_address("fd00:10:244:2::6")),
}
STAMPS = tcp.Options(timestamps=(77, 88))
ACK, PSH = tcp.Flag.ACK, tcp.Flag.PSH
CWR, ECE = tcp.Flag.CWR, tcp.Flag.ECE


def frame(
    payload: bytes,
    *,
    family: int = 4,
    sequence: int = 1000,
    identification: int = 5,
    flags: tcp.Flag = ACK,
    port: int = 80,
    options: tcp.Options = STAMPS,
    dont_fragment: bool = True,
) -> bytes:
    source, destination = ADDRESSES[family]
    segment = tcp.Tcp(
        source_port=4000, destination_port=port, sequence=sequence & 0xFFFFFFFF,
        acknowledgment=7, flags=flags, window=99, options=options, payload=payload,
    ).emit(source, destination)  # fmt: skip
    if family == 4:
        header = ipv4.Ipv4(
            source=source, destination=destination, protocol=6, payload_length=len(segment),
            identification=identification & 0xFFFF, dont_fragment=dont_fragment,
        ).emit()  # fmt: skip
        return Ethernet(*MACS, ETHERTYPE_IPV4).emit() + header + segment
    header = ipv6.Ipv6(
        source=source, destination=destination, next_header=6, payload_length=len(segment)
    ).emit()
    return Ethernet(*MACS, ETHERTYPE_IPV6).emit() + header + segment


def read(octets: bytes | bytearray | memoryview) -> tcp.Tcp:
    """Parse with every length and checksum."""
    packet = bytes(octets[14:])
    if octets[12] == 8:
        header = ipv4.Ipv4.parse(ipv4.Ipv4View(packet))
        assert len(packet) == header.payload_length + 20
        return tcp.Tcp.parse(tcp.TcpView(packet[20:]), header.source, header.destination)
    header6 = ipv6.Ipv6.parse(ipv6.Ipv6View(packet))
    assert len(packet) == header6.payload_length + 40
    return tcp.Tcp.parse(tcp.TcpView(packet[40:]), header6.source, header6.destination)


def plain(octets: bytes | bytearray | memoryview) -> bytes:
    """Return a frame without its TCP checksum, which means nothing where it is partial."""
    at = 50 if octets[12] == 8 else 70
    return bytes(octets[:at]) + bytes(2) + bytes(octets[at + 2 :])


def views(frames: list[bytearray] | list[bytes]) -> list[memoryview]:
    return [memoryview(each) for each in frames]


SUPERS = st.builds(
    lambda segment, number, tail, family, sequence, identification, options, push: (
        frame(
            random.Random(segment).randbytes(segment * number + tail),
            family=family, sequence=sequence, identification=identification,
            options=options, flags=ACK | PSH if push else ACK,
        ),
        segment,
    ),
    st.integers(20, 1500),
    st.integers(1, 40),
    st.integers(1, 19),
    st.sampled_from([4, 6]),
    st.integers(0, 1 << 31) | st.integers((1 << 32) - 70_000, (1 << 32) - 1),
    st.integers(0, 0xFFFF) | st.integers(0xFFC0, 0xFFFF),
    st.sampled_from([STAMPS, tcp.Options()]),
    st.booleans(),
)  # fmt: skip


@given(SUPERS)
@settings(max_examples=60, deadline=None)
def test_segments_are_whole_and_in_order(made: tuple[bytes, int]) -> None:
    whole, segment = made
    if len(whole) > offload.OCTETS_MAX:
        return
    before = read(whole)
    found = [read(each) for each in offload.cut(whole, segment, partial=False)]
    assert b"".join(each.payload for each in found) == before.payload
    assert {len(each.payload) for each in found[:-1]} == {segment}
    for index, each in enumerate(found):
        assert each.sequence == (before.sequence + index * segment) & 0xFFFFFFFF
        assert each.flags == (before.flags if each is found[-1] else ACK)
        assert each.options == before.options
    if whole[12] == 8:
        numbers = [ipv4.Ipv4View(each[14:]).identification
                   for each in offload.cut(whole, segment, partial=True)]  # fmt: skip
        assert numbers == [(numbers[0] + index) & 0xFFFF for index in range(len(numbers))]


@given(SUPERS)
@settings(max_examples=60, deadline=None)
def test_what_is_cut_is_joined_again(made: tuple[bytes, int]) -> None:
    whole, segment = made
    if len(whole) > offload.OCTETS_MAX:
        return
    parts = offload.cut(whole, segment, partial=True)
    assert [bytes(head) + payload for head, payload in
            offload.pieces(whole, segment, partial=True)] == parts  # fmt: skip
    [(joined, again)] = offload.join(views(parts))
    assert (plain(joined), again) == (plain(whole), segment)


@given(SUPERS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_what_is_laid_out_is_gathered_again(made: tuple[bytes, int], partial: bool) -> None:
    whole, segment = made
    if len(whole) > offload.OCTETS_MAX:
        return
    parts = offload.cut(whole, segment, partial=partial)
    octets, stride = offload.lay_out(whole, segment, b"prefix", partial=partial)
    assert octets == b"prefix" + b"prefix".join(parts)
    assert stride == 6 + len(parts[0])
    found = offload.gather(memoryview(octets), stride, b"prefix")
    if len(parts) == 1:
        assert found is None
    elif partial:
        assert found is not None
        assert (plain(found[0]), found[1]) == (plain(whole), segment)


@given(SUPERS, st.integers(0, 1 << 30), st.integers(1, 255))
@settings(max_examples=100, deadline=None)
def test_what_is_gathered_is_what_came(made: tuple[bytes, int], at: int, change: int) -> None:
    """One octet that is not as it was laid out: either it matters to nobody or all stay apart."""
    whole, segment = made
    if len(whole) > offload.OCTETS_MAX:
        return
    octets, stride = offload.lay_out(whole, segment, b"prefix", partial=True)
    octets[at % len(octets)] ^= change
    found = offload.gather(memoryview(octets), stride, b"prefix")
    if found is not None:
        again, _ = offload.lay_out(*found, b"prefix", partial=True)
        apart = [slice(n, n + stride) for n in range(0, len(octets), stride)]
        before = [plain(octets[each][6:]) for each in apart]
        assert [plain(again[each][6:]) for each in apart] == before


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_is_joined_is_cut_to_the_same(data: st.DataObject) -> None:
    """Neighbours that nearly belong together: of two flows, with holes, PSH and other options."""
    frames, number, sequence = [], 0, data.draw(st.sampled_from([0, (1 << 32) - 300]))
    for _ in range(data.draw(st.integers(2, 30))):
        size = data.draw(st.sampled_from([0, 50, 100, 100, 100, 100]))
        frames.append(frame(
            bytes([number & 0xFF]) * size,
            family=data.draw(st.sampled_from([4, 4, 4, 6])),
            sequence=sequence,
            identification=number + data.draw(st.sampled_from([0, 0, 0, 1])),
            flags=data.draw(st.sampled_from([ACK, ACK, ACK, ACK | PSH, ACK | tcp.Flag.FIN])),
            port=data.draw(st.sampled_from([80, 80, 80, 81])),
            options=data.draw(st.sampled_from([STAMPS, STAMPS, tcp.Options()])),
            dont_fragment=data.draw(st.sampled_from([True, True, True, False])),
        ))  # fmt: skip
        number, sequence = number + 1, sequence + size + data.draw(st.sampled_from([0, 0, 0, 9]))
    found: list[bytes | bytearray] = []
    for octets, segment in offload.join(views(frames)):
        found += offload.cut(octets, segment, partial=True) if segment else [bytes(octets)]
    assert [plain(each) for each in found] == [plain(each) for each in frames]


@pytest.mark.parametrize("family", [4, 6])
def test_push_and_a_short_segment_end_a_run(family: int) -> None:
    sizes = [(100, ACK), (100, ACK | PSH), (100, ACK), (100, ACK), (60, ACK), (100, ACK)]
    frames, sequence = [], 0
    for index, (size, flags) in enumerate(sizes):
        frames.append(frame(bytes(size), family=family, sequence=sequence, flags=flags,
                            identification=index))  # fmt: skip
        sequence += size
    head = len(frames[0]) - 100
    found = offload.join(views(frames))
    assert [(len(octets) - head, segment) for octets, segment in found] == [
        (200, 100), (260, 100), (100, 0),
    ]  # fmt: skip
    assert found[2][0].obj is frames[5]  # type: ignore[union-attr]


@pytest.mark.parametrize("family", [4, 6])
def test_runs_are_bounded(family: int) -> None:
    for size in (100, 1400):
        frames = [
            frame(bytes(size), family=family, sequence=index * size, identification=index)
            for index in range(100)
        ]
        for octets, segment in offload.join(views(frames)):
            assert len(octets) <= offload.OCTETS_MAX
            assert len(offload.cut(octets, segment, partial=True)) <= offload.SEGMENTS_MAX
        assert len(offload.join(views(frames))) == (2 if size == 100 else 3)


def test_run_with_a_broken_header_stays_apart() -> None:
    frames = [bytearray(frame(bytes(100), sequence=100 * n, identification=n)) for n in range(3)]
    frames[1][25] ^= 1
    assert [segment for _, segment in offload.join(views(frames))] == [0, 0, 0]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("size", [0, 1, 100, 1501])
def test_partial_frame_is_completed(family: int, size: int) -> None:
    octets = frame(bytes(range(1, 100)) * 16 if size > 1500 else b"\x07" * size, family=family)
    partial = bytearray(plain(octets))
    offload.complete(partial)
    assert partial == octets
    slice_of_buffer = bytearray(b"xx" + plain(octets) + b"yy")
    offload.complete(memoryview(slice_of_buffer)[2:-2])
    assert slice_of_buffer == b"xx" + octets + b"yy"


def test_fragments_and_other_protocols_are_left_alone() -> None:
    octets = bytearray(plain(frame(bytes(100))))
    for at, value in ((20, 0x20), (21, 0x01), (23, 17), (13, 0x06), (12, 0x86), (16, 0xFF)):
        other = bytearray(octets)
        other[at] = value
        before = bytes(other)
        offload.complete(other)
        assert other == before


@pytest.mark.parametrize("flag", ["SYN", "FIN", "RST", "URG"])
def test_segments_with_other_flags_are_not_cut(flag: str) -> None:
    whole = frame(bytes(1000), flags=ACK | tcp.Flag[flag])
    with pytest.raises(MalformedPacket, match="no TCP segment"):
        offload.cut(whole, 100, partial=True)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("partial", [True, False])
@pytest.mark.parametrize("number", [1, 2, 3, 40])
def test_cwr_is_said_by_the_first_segment(family: int, partial: bool, number: int) -> None:
    whole = frame(bytes(100 * number), family=family, flags=ACK | PSH | CWR | ECE)
    parts = offload.cut(whole, 100, partial=partial)
    flags = [tcp.Flag(part[14 + (20 if family == 4 else 40) + 13]) for part in parts]
    assert [CWR in each for each in flags] == [True] + [False] * (number - 1)
    assert [PSH in each for each in flags] == [False] * (number - 1) + [True]
    assert all(ACK | ECE in each for each in flags)
    octets, stride = offload.lay_out(whole, 100, b"outer", partial=partial)
    laid_out = [octets[at + 5 : at + stride] for at in range(0, len(octets), stride)]
    assert list(map(plain, laid_out)) == list(map(plain, parts))
    if not partial:
        assert [len(read(part).payload) for part in parts] == [100] * number


@pytest.mark.parametrize("segment", [0, 15])
def test_too_many_segments_are_refused(segment: int) -> None:
    with pytest.raises(MalformedPacket, match="segments of"):
        offload.cut(frame(bytes(1000)), segment, partial=True)


@given(st.binary(max_size=200), st.integers(0, 100), st.integers(0, 80))
@settings(max_examples=200, deadline=None)
def test_any_octets_are_refused_or_left(noise: bytes, at: int, segment: int) -> None:
    base = frame(bytes(100))
    for octets in (noise, base[:at] + noise, base[:at] + noise + base[at + len(noise) :]):
        try:
            offload.cut(octets, segment, partial=False)
        except MalformedPacket:
            pass
        offload.complete(bytearray(octets))
        found = offload.join(views([octets, octets, base, octets]))
        total = sum(len(offload.cut(each, size, partial=True)) if size else 1
                    for each, size in found)  # fmt: skip
        assert total == 4


def sent_by_writing(network, connect, octets, *, offload_on=True, idle_s=0.0):
    """Return what a host with a large window sends when somebody writes *octets*, and the host."""
    near, far = connect(network, network.host(1), network.host(2))
    near.write(bytes(400_000), network.now)
    network.run(limit_s=5)
    far.read(1 << 20, network.now)
    network.run(limit_s=idle_s + 1)
    network.hosts[0].offload = offload_on
    near.set_option(network.now, nodelay=True)
    near.write(b"\x07" * octets, network.now)
    return network.hosts[0]


def test_bulk_leaves_in_super_frames(make_network, connect):
    network = make_network(1, offload=True)
    frames = sent_by_writing(network, connect, 10_000).frames_to_send()
    assert [type(each) for each in frames] == [offload.SuperFrame]
    assert frames[0].segment == 1450 - 52
    parts = [read(each) for each in offload.cut(frames[0], frames[0].segment, partial=False)]
    assert sum(len(each.payload) for each in parts) == 10_000
    with pytest.raises(MalformedPacket, match="checksum"):
        read(frames[0])  # It is partial.


def test_link_without_offload_gets_ordinary_frames(make_network, connect):
    network = make_network(1, offload=True)
    frames = sent_by_writing(network, connect, 10_000, offload_on=False).frames_to_send()
    assert sum(len(read(each).payload) for each in frames) == 10_000
    assert max(map(len, frames)) <= 1450 + 14


def test_link_that_changes_its_mind_gets_whole_frames(make_network, connect):
    network = make_network(1, offload=True)
    host = sent_by_writing(network, connect, 10_000)
    host.offload = False
    frames = host.frames_to_send()
    assert offload.SuperFrame not in map(type, frames)
    assert sum(len(read(each).payload) for each in frames) == 10_000


def test_what_waits_for_a_neighbour_is_whole(make_network, connect):
    network = make_network(1, offload=True)
    host = sent_by_writing(network, connect, 0, idle_s=300)
    connection = host.tcp.connections()[0]
    connection.write(bytes(4000), network.now)  # Nobody has asked for the MAC for long.
    frames = [each for each in host.frames_to_send() if each[12:14] == b"\x08\x00"]
    assert offload.SuperFrame not in map(type, frames)
    assert sum(len(read(each).payload) for each in frames) == 4000


def test_long_segments_of_jumbo_frames_are_ordinary_frames(make_network, connect):
    network = make_network(1, offload=True)
    near, far = connect(network, network.host(1, mtu=60_000), network.host(2, mtu=60_000))
    near.write(bytes(range(250)) * 2000, network.now)
    frames = [each for each in network.hosts[0].frames_to_send() if len(each) > 20_000]
    assert frames
    assert {type(each) for each in frames} == {bytes}
    assert max(map(len, frames)) == 60_014
    network.hosts[1].receive_frames(frames, network.now, partial=True)
    octets = sum(len(each) - 66 for each in frames)
    assert far.read(1 << 20, network.now) == (bytes(range(250)) * 2000)[:octets]


@pytest.mark.parametrize("address", ["10.0.0.2", "fd00::2"])
def test_super_frames_of_connections_with_ecn_say_cwr_once(make_network, connect, address):
    network = make_network(1, offload=True)
    hosts = [network.host6(number, tcp=TcpSettings(ecn=1)) for number in (1, 2)]
    listener = hosts[1].tcp_listen(None, 80)
    near = hosts[0].tcp_connect((ip_address(address), 80), network.now)
    network.run(until=lambda: near.established, limit_s=5)
    network.run(limit_s=1)
    near.ecn.lowered = True  # As after an echo of a mark.
    near.write(b"\x07" * 10_000, network.now)
    [whole] = hosts[0].frames_to_send()
    assert isinstance(whole, offload.SuperFrame)
    parts = offload.cut(whole, whole.segment, partial=False)
    ip6 = ":" in address
    classes = {(part[14] << 4 | part[15] >> 4) & 3 if ip6 else part[15] & 3 for part in parts}
    assert classes == {2}  # ECT(0), all new data.
    assert [CWR in read(part).flags for part in parts] == [True] + [False] * (len(parts) - 1)
    assert sum(len(read(part).payload) for part in parts) == 10_000
    hosts[1].receive_frames([whole], network.now, partial=True)
    assert listener.accept().readable_octets == 10_000
