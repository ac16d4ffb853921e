"""Both buffers do what one long bytearray would."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from netstack.tcp.buffers import ReceiveBuffer, SendBuffer

SIZES = st.sampled_from([1, 7, 1398, 2047, 2048, 40_000, 65_535, 65_536, 65_537, 200_000])
STEPS = st.lists(st.tuples(st.sampled_from(["add", "part", "drop"]), SIZES, SIZES), max_size=60)


def filled(count, seed):
    return bytes((seed + index) & 0xFF for index in range(251)) * (count // 251 + 1)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_send_buffer_equals_a_bytearray(steps):
    buffer, model = SendBuffer(), bytearray()
    for number, (what, first, second) in enumerate(steps):
        if what == "add":
            data = filled(first, number)[:first]
            buffer.append(memoryview(data))
            model += data
        elif what == "drop":
            buffer.forget(first)
            del model[:first]
        else:
            start = min(first - 1, len(model))
            end = min(start + second, len(model))
            assert buffer.part(start, end) == model[start:end]
        assert buffer.octets == len(model)
    assert buffer.part(0, len(model)) == model


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_receive_buffer_equals_a_bytearray(steps):
    buffer, model = ReceiveBuffer(), bytearray()
    for number, (what, first, _) in enumerate(steps):
        if what == "add":
            data = filled(first, number)[:first]
            buffer.append(data)
            model += data
            assert data == filled(first, number)[:first]
        else:
            assert buffer.read(first) == model[:first]
            del model[:first]
        assert buffer.octets == len(model)
    assert buffer.read(len(model) + 1) == model


def test_nothing_is_at_the_end_of_a_full_piece():
    buffer = SendBuffer()
    buffer.append(bytes(2 * 65536))
    assert buffer.part(buffer.octets, buffer.octets) == b""
    buffer.forget(70_000)
    assert buffer.part(buffer.octets, buffer.octets) == b""


def test_tiny_segments_share_memory():
    buffer = ReceiveBuffer()
    for number in range(300_000):
        buffer.append(bytes([number & 0xFF]))
    assert len(buffer._pieces) < 10
    assert len(buffer.read(1 << 20)) == 300_000
