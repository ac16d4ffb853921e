"""Address blocks: held as long as anybody of the cluster lives."""

from __future__ import annotations

import socket

import pytest

from podwire.cluster import blocks

#: One after the other: all take the same blocks.
pytestmark = pytest.mark.xdist_group("blocks")

BLOCK = 61  # Far above what clusters of this machine take first.


def test_a_block_is_held_until_its_holder_closes() -> None:
    holder = blocks.claim_block(BLOCK, 3)
    assert holder is not None
    assert blocks.claim_block(BLOCK, 3) is None
    holder.close()
    again = blocks.claim_block(BLOCK, 3)
    assert again is not None
    again.close()


@pytest.mark.parametrize(
    ("kind", "host", "port"),
    [
        (socket.SOCK_DGRAM, 1, 4789),
        (socket.SOCK_DGRAM, 3, 4789),
        (socket.SOCK_DGRAM, 2, 8285),
        (socket.SOCK_STREAM, 3, 10250),
        (socket.SOCK_STREAM, 251, 6443),
    ],
)
def test_a_strangers_port_makes_a_block_unusable(kind: int, host: int, port: int) -> None:
    with socket.socket(socket.AF_INET, kind) as stranger:
        stranger.bind((f"127.0.{BLOCK - 1}.{host}", port))
        if kind == socket.SOCK_STREAM:
            stranger.listen()
        assert blocks.claim_block(BLOCK - 1, 3) is None
    free = blocks.claim_block(BLOCK - 1, 3)
    assert free is not None
    free.close()


def test_two_claims_get_two_blocks() -> None:
    first, one = blocks.claim(3)
    second, other = blocks.claim(3)
    assert first != second
    one.close()
    other.close()
