"""Address blocks: held as long as anybody of the cluster lives."""

from __future__ import annotations

import socket

from podwire.cluster import blocks

BLOCK = 61  # Far above what clusters of this machine take first.


def test_a_block_is_held_until_its_holder_closes() -> None:
    holder = blocks.claim_block(BLOCK)
    assert holder is not None
    assert blocks.claim_block(BLOCK) is None
    holder.close()
    again = blocks.claim_block(BLOCK)
    assert again is not None
    again.close()


def test_a_strangers_port_makes_a_block_unusable() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((f"127.0.{BLOCK - 1}.1", 4789))
        assert blocks.claim_block(BLOCK - 1) is None


def test_two_claims_get_two_blocks() -> None:
    first, one = blocks.claim()
    second, other = blocks.claim()
    assert first != second
    one.close()
    other.close()
