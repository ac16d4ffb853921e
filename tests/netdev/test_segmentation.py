"""Runs of datagrams: what the kernel takes, nothing lost, and no flow reordered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netdev import segmentation
from netdev.segmentation import DATAGRAM_OCTETS_MAX, SEGMENTS_MAX

HEADER = 8


def frame(flow, size, number):
    head = bytes(26) + bytes([flow]) * 12 + number.to_bytes(2, "big")
    return head + bytes(size - len(head))


def check(frames):
    runs = [list(run) for run in segmentation.runs(frames, HEADER)]
    for run in runs:
        assert len(run) <= SEGMENTS_MAX
        assert len({len(each) for each in run[:-1]}) <= 1
        assert len(run[-1]) <= len(run[0])
        assert len(run) == 1 or sum(map(len, run)) + HEADER * len(run) <= DATAGRAM_OCTETS_MAX
    flat = [each for run in runs for each in run]
    assert sorted(flat) == sorted(frames)
    for flow in {each[26] for each in frames}:
        ours = [each for each in flat if each[26] == flow]
        assert ours == [each for each in frames if each[26] == flow]
    return runs


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([40, 66, 600, 1464, 9000, 60000])),
        min_size=1,
        max_size=200,
    )
)
def test_runs_are_what_the_kernel_takes(packets):
    check([frame(*packet, number) for number, packet in enumerate(packets)])


def test_full_segments_and_their_end_are_one_run():
    assert len(check([frame(0, 1464, n) for n in range(40)] + [frame(0, 99, 40)])) == 1


def test_a_run_is_no_longer_than_the_kernel_allows():
    assert [len(run) for run in check([frame(0, 100, n) for n in range(150)])] == [64, 64, 22]
    assert [len(run) for run in check([frame(0, 1464, n) for n in range(90)])] == [44, 44, 2]
    assert len(check([frame(0, 40000, n) for n in range(3)])) == 3


def test_small_packets_of_several_flows_share_runs():
    sizes = [100, 66, 700, 66]
    frames = [frame(n, sizes[n % 4], n) for n in range(16)]
    assert len(check(frames)) == 3


def test_short_datagrams_have_no_flow_and_are_taken():
    assert sum(len(run) for run in segmentation.runs([b"a", b"bc", b"", b"d"], HEADER)) == 4
