"""Ping sockets: one identifier for a run, replies by sequence number."""

from __future__ import annotations

import asyncio
import random
from ipaddress import IPv4Address

import pytest

from podruntime.sandbox import ping_socket
from podruntime.sandbox.ping_socket import PingSockets

from .pods import SERVER, TwoPods


@pytest.fixture
def pods():
    return TwoPods()


@pytest.fixture
def sockets(pods):
    return PingSockets(pods.client_interface, random.Random(1))


def test_run_has_one_identifier_and_every_reply_its_ttl(pods, sockets):
    asked = []
    receive = pods.server_interface.host.receive_frames

    def note(frames, now, *, partial=False):
        asked.extend(bytes(each) for each in frames if each[12:14] == b"\x08\x00")
        receive(frames, now, partial=partial)

    pods.server_interface.host.receive_frames = note

    async def scenario(_pods):
        with sockets.open(IPv4Address(SERVER)) as echoes:
            for sequence in range(3):
                echoed = await echoes.ping(sequence, b"x" * 56, 5)
                assert echoed.ttl == 64
                assert 0 < echoed.rtt_s < 5
            assert {each[38:40] for each in asked} == {echoes.identifier.to_bytes(2, "big")}
            assert [each[41] for each in asked] == [0, 1, 2]

    pods.run(scenario)


def test_silence_is_none_and_late_replies_are_dropped(pods, sockets):
    async def scenario(pods):
        with sockets.open(IPv4Address(SERVER)) as echoes:
            assert await echoes.ping(0, b"", 5) is not None
            assert await echoes.ping(1, b"", 0) is None  # Its reply finds nobody.
            pods.dropping = True
            assert await echoes.ping(2, b"", 0.01) is None
            pods.dropping = False
            assert await echoes.ping(3, b"", 5) is not None

    pods.run(scenario)


def test_sockets_that_ask_at_once_hear_their_own_replies(pods, sockets):
    async def scenario(_pods):
        with sockets.open(IPv4Address(SERVER)) as one, sockets.open(IPv4Address(SERVER)) as two:
            assert one.identifier != two.identifier
            found = await asyncio.gather(*(each.ping(7, b"", 5) for each in (one, two)))
            assert all(found)

    pods.run(scenario)


def test_identifiers_are_bounded_and_come_back(pods, sockets, monkeypatch):
    monkeypatch.setattr(ping_socket, "SOCKETS_MAX", 2)
    one, two = sockets.open(IPv4Address(SERVER)), sockets.open(IPv4Address(SERVER))
    with pytest.raises(OSError, match="in use"):
        sockets.open(IPv4Address(SERVER))
    with one:
        pass
    assert sockets.open(IPv4Address(SERVER)).identifier != two.identifier
