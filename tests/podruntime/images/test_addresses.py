"""Addresses as Go's programs show them."""

from __future__ import annotations

import pytest

from podruntime.images.addresses import join_host_port, show, unmapped


@pytest.mark.parametrize(
    ("peer", "shown"),
    [
        (("10.244.1.5", 80), "10.244.1.5:80"),
        (("fd00::5", 80, 0, 0), "[fd00::5]:80"),
        (("::ffff:10.244.1.5", 80, 0, 0), "10.244.1.5:80"),
    ],
)
def test_peers_are_shown_as_by_go(peer, shown):
    assert show(peer) == shown


def test_only_a_mapped_address_is_unmapped():
    assert unmapped("::ffff:0:1") == "::ffff:0:1"
    assert join_host_port(unmapped("::1"), 53) == "[::1]:53"
