"""TLS clients count from accept, and must agree on TLS in time."""

from __future__ import annotations

import socket
import ssl
import struct

import pytest
from ingress_world import ADDRESS, World, read_all, read_until, until

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
NO_HANDSHAKE = "no TLS handshake"


def unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def ask_by_tls(world: World) -> bytes:
    with (
        socket.create_connection((ADDRESS, world.tls_port), timeout=5) as plain,
        unverified().wrap_socket(plain, server_hostname="a.example") as client,
    ):
        client.sendall(GET)
        return read_all(client)


def test_who_says_nothing_by_tls_counts_as_a_connection_and_no_longer_than_a_handshake_may_take():
    with World(connections_max=2, handshake_s=1.0) as world:
        silent = [world.connect(world.tls_port) for _ in range(2)]
        until(lambda: len(world.gateway.clients) == 2)
        with world.connect() as third:
            assert read_all(third) in (b"", b"<reset>")
        assert world.gateway.metrics.refused["too many connections"] == 1
        until(lambda: not world.gateway.clients)
        assert world.gateway.metrics.refused[NO_HANDSHAKE] == 2
        for each in silent:
            assert read_all(each) in (b"", b"<reset>")
            each.close()
        assert b"404 Not Found" in ask_by_tls(world)


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"]
)
@pytest.mark.parametrize("ended", ["end", "reset"])
def test_a_handshake_that_fails_is_counted_and_forgotten(world: World, said, ended):
    with world.connect(world.tls_port) as client:
        until(lambda: len(world.gateway.clients) == 1)
        client.sendall(said)
        if ended == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            client.shutdown(socket.SHUT_WR)
            read_all(client)
    until(lambda: not world.gateway.clients)
    until(lambda: world.gateway.metrics.refused[NO_HANDSHAKE] == 1)


def test_a_request_that_comes_with_the_handshakes_end_is_answered(world: World):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = unverified().wrap_bio(incoming, outgoing, server_hostname="a.example")
    with world.connect(world.tls_port) as client:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.sendall(outgoing.read())
                incoming.write(client.recv(65536))
        tls.write(GET)
        client.sendall(outgoing.read())  # The client's Finished and its request in one segment.
        answer = b""
        while b"404 Not Found" not in answer:
            incoming.write(client.recv(65536))
            try:
                answer += tls.read(65536)
            except ssl.SSLWantReadError:
                continue
    until(lambda: not world.gateway.clients)
    assert not world.gateway.metrics.refused


def test_connections_by_tls_are_counted_once(world: World):
    with (
        socket.create_connection((ADDRESS, world.tls_port), timeout=5) as plain,
        unverified().wrap_socket(plain, server_hostname="a.example") as client,
    ):
        client.sendall(GET.replace(b"close", b"keep-alive"))
        read_until(client, b"404 Not Found")
        assert len(world.gateway.clients) == 1
    until(lambda: not world.gateway.clients)
