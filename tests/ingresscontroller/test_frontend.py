"""Clients as they come: many requests on a connection, slow ones, hostile ones, too many."""

from __future__ import annotations

import socket

import pytest
from ingress_objects import ingress, path, rule
from ingress_world import World, read_all, read_request, read_until, until

from ingresscontroller.message import FIELDS_MAX

HOST = "a.example"
GET = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
LAST = f"GET /last HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()


@pytest.fixture
def web(world: World) -> World:
    world.serve("web")
    world.route(ingress("web", rule(HOST, path("/", "web"))))
    return world


def test_a_connection_carries_many_requests(web: World):
    client = web.client()
    for at in range(20):
        client.request("GET", f"/{at}", headers={"Host": HOST})
        assert f"GET /{at} ".encode() in client.getresponse().read()
    client.close()
    until(lambda: web.gateway.metrics.requests["default/web", 200] == 20)


def test_requests_sent_ahead_are_answered_in_order(web: World):
    octets = b"".join(f"GET /{at} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode() for at in range(200))
    said = web.raw(octets + LAST)
    lines = [each.split(b'"')[0] for each in said.split(b'"line": "GET /')[1:]]
    assert said.count(b"HTTP/1.1 200 OK") == len(lines) == 201
    assert [each.split(b'"')[0] for each in said.split(b'"line": "')[1:]] == [
        *(b"GET /%d HTTP/1.1" % at for at in range(200)), b"GET /last HTTP/1.1",
    ]  # fmt: skip


def test_own_answers_are_in_order_too(web: World):
    other = b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n"
    said = web.raw(other * 300 + GET + other + LAST)
    statuses = [each[:3] for each in said.split(b"HTTP/1.1 ")[1:] if each[:1].isdigit()]
    assert statuses == [b"404"] * 300 + [b"200", b"404", b"200"]


def test_empty_lines_ahead_of_a_request_are_skipped(web: World):
    assert web.raw(b"\r\n\r\n" + LAST).startswith(b"HTTP/1.1 200 ")


def test_octets_may_come_one_by_one(web: World):
    with web.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = (
            b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        )
        for octet in body + b"0\r\n\r\n":
            client.send(bytes([octet]))
        assert b'"body": "abc"' in read_until(client, b"}")


# --- smuggling: what comes behind a request that is refused is never taken for another one

SECOND = b"GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n"


@pytest.mark.parametrize(
    "octets",
    [
        b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0\n\n",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"X: a\rContent-Length: 0\r\n\r\n",
        b"X: \0\r\n\r\n",
    ],
)
def test_nothing_is_smuggled(web: World, octets):
    said = web.raw(b"POST / HTTP/1.1\r\nHost: a.example\r\n" + octets + SECOND)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1
    assert "GET /smuggled HTTP/1.1" not in str(web.log)


def test_a_request_in_a_body_is_a_body(web: World):
    inner = SECOND * 3
    said = web.raw(b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: %d\r\n\r\n" % len(inner)
                   + inner + LAST)  # fmt: skip
    assert said.count(b"HTTP/1.1 200 OK") == 2


# --- floods


def test_too_many_fields_are_431(web: World):
    fields = b"".join(b"X-%d: 1\r\n" % at for at in range(FIELDS_MAX))
    said = web.raw(b"GET / HTTP/1.1\r\nHost: a.example\r\n" + fields + b"\r\n")
    assert said.startswith(b"HTTP/1.1 431 ")


def test_a_head_without_an_end_is_431(web: World):
    with web.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\n")
        flood = b"X: " + b"a" * 1000 + b"\r\n"
        for _ in range(100):
            try:
                client.sendall(flood)
            except OSError:
                break
        assert read_all(client).startswith(b"HTTP/1.1 431 ")
    assert web.ask(HOST).status == 200


def test_a_target_without_an_end_is_414(web: World):
    assert web.raw(b"GET /" + b"a" * 10_000).startswith(b"HTTP/1.1 414 ")


def test_what_is_no_http_is_400(web: World):
    assert web.raw(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_a_body_that_is_refused_is_read_before_the_end(web: World):
    """The answer must not be lost by a reset, while the client still sends."""
    octets = bytes(2 * 1024 * 1024)
    said = web.raw(b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: %d\r\n\r\n%b"
                   % (len(octets), octets))  # fmt: skip
    assert said.startswith(b"HTTP/1.1 413 ")
    assert not said.endswith(b"<reset>")


# --- times


def test_slow_heads_and_bodies_are_408():
    with World(header_s=0.2, body_s=0.2, linger_s=0.2) as world:
        world.serve("web")
        world.route(ingress("web", rule(HOST, path("/", "web"))))
        assert world.raw(b"GET / HTTP/1.1\r\nHo").startswith(b"HTTP/1.1 408 ")
        slow = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nab"
        assert world.raw(slow).startswith(b"HTTP/1.1 408 ")
        assert world.raw(b"") == b""  # It has not even begun.


def test_a_head_that_trickles_has_no_more_time():
    with World(header_s=0.3, linger_s=0.2) as world, world.connect() as client:
        client.settimeout(0.05)
        said = b""
        for _ in range(100):
            try:
                client.send(b"X")
                said += client.recv(1000)
            except TimeoutError:
                continue
            except OSError:
                break
            if said:
                break
        assert said.startswith(b"HTTP/1.1 408 ")


def test_idle_connections_end_in_silence():
    with World(keep_alive_s=0.2) as world:
        assert world.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").count(b"HTTP/1.1 404 ") == 1
        until(lambda: not world.gateway.clients)


def test_who_reads_nothing_is_cut_off():
    async def serve(reader, writer, _number):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n" + bytes(50_000_000))

    with World(send_s=0.3) as world:
        world.serve("web", serve)
        world.route(ingress("web", rule(HOST, path("/", "web"))))
        with world.connect() as client:
            client.sendall(GET)
            until(lambda: world.gateway.metrics.refused["clients that read nothing"] == 1)
            until(lambda: not world.gateway.clients)


# --- bounds


def test_more_connections_than_there_may_be_are_refused():
    with World(connections_max=2) as world:
        first, second = world.connect(), world.connect()
        until(lambda: len(world.gateway.clients) == 2)
        with world.connect() as third:
            assert read_all(third) in (b"", b"<reset>")
        first.close()
        until(lambda: len(world.gateway.clients) == 1)
        assert world.ask("x").status == 404
        second.close()


def test_a_connection_ends_after_so_many_requests():
    with World(requests_max=3) as world:
        said = world.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
    assert said.count(b"HTTP/1.1 404 ") == 3
    assert said.count(b"Connection: close") == 1


def test_what_is_sent_ahead_is_bounded(web: World):
    async def serve(reader, writer, _number):
        await reader.read()

    web.serve("web", serve)
    with web.connect() as client:
        client.settimeout(0.5)
        client.sendall(GET)
        with pytest.raises(TimeoutError):
            client.sendall(bytes(64 * 1024 * 1024))


def test_who_reads_no_answers_is_not_answered_on():
    """Answers of our own wait, too: they are not piled up."""
    with World(requests_max=10**9) as web:
        flood_and_read(web)


def flood_and_read(web: World) -> None:
    ask = b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n"
    with web.connect() as client:
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.sendall(ask * 500_000)
        client.settimeout(5)
        (connection,) = web.gateway.clients
        assert connection.transport.get_write_buffer_size() < 1024 * 1024  # type: ignore[attr-defined]
        before = web.gateway.metrics.requests["", 404]
        read = 0
        while read < 4_000_000:
            piece = client.recv(65536)
            assert piece, (read, before, web.gateway.metrics.refused)
            read += len(piece)
        assert web.gateway.metrics.requests["", 404] > before


def test_draining_ends_connections_after_an_answer(web: World):
    idle = web.connect()
    until(lambda: len(web.gateway.clients) == 1)
    web.gateway.draining = True
    assert web.ask(HOST).getheader("Connection") == "close"

    async def end() -> int:
        return web.gateway.end_idle()

    web.do(end())
    assert read_all(idle) == b""
    idle.close()
    until(lambda: web.do(end()) == 0)


def test_the_log_has_a_line_a_request(web: World):
    web.ask(HOST, "/x?y", User_Agent='an "agent"', Referer="from")
    until(lambda: bool(web.log))
    (line,) = web.log
    assert line.startswith("127.0.0.1 - - [")
    assert '"GET /x?y HTTP/1.1" 200 ' in line
    assert '"from" "an \\x22agent\\x22"' in line
    assert "[default/web:80]" in line
