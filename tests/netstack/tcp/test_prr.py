"""Proportional rate reduction against RFC 9937's own words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netstack.tcp.prr import Prr

MSS = 1000


def test_first_acknowledgment_always_sends_a_segment():
    assert Prr(20_000, 14_000).on_ack(0, 19_000, MSS, safe=False) == MSS


@given(st.integers(4, 100), st.floats(0.3, 0.9))
def test_ends_with_the_threshold_on_its_way(segments, beta):
    """One of a window is lost: what was sent when the last has arrived is the threshold."""
    threshold = int(segments * beta) * MSS
    prr = Prr(segments * MSS, threshold)
    in_flight = (segments - 1) * MSS
    for _ in range(segments - 1):
        in_flight -= MSS
        room = prr.on_ack(MSS, in_flight, MSS, safe=False)
        sent = room // MSS * MSS
        prr.prr_out += sent
        in_flight += sent
    assert abs(in_flight - threshold) <= 2 * MSS


@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 40_000), st.booleans())),
    st.integers(1, 40_000),
)
def test_never_fills_the_path_beyond_the_threshold(acks, threshold):
    prr = Prr(40_000, threshold)
    prr.prr_out = MSS
    for delivered, in_flight, safe in acks:
        room = prr.on_ack(delivered, in_flight, MSS, safe=safe)
        assert room >= 0
        if in_flight <= threshold:
            assert in_flight + room <= threshold
            assert room <= max(delivered, prr.prr_delivered - prr.prr_out) + MSS
        else:
            share = prr.prr_delivered * threshold / prr.recover_fs
            assert room <= max(0.0, share - prr.prr_out + 1)
        prr.prr_out += room


def test_empty_path_is_filled_one_for_one_or_faster_when_safe():
    careful, safe = Prr(20_000, 14_000), Prr(20_000, 14_000)
    for each in (careful, safe):
        each.prr_out = each.prr_delivered = MSS
    assert careful.on_ack(MSS, 2000, MSS, safe=False) == MSS
    assert safe.on_ack(MSS, 2000, MSS, safe=True) == 2 * MSS
