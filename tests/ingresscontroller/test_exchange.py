"""Requests on their way: kept connections, dead endpoints, retries, times, streams."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import random
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from ingress_objects import ingress, path, rule
from ingress_world import ADDRESS, World, echo, read_all, read_request, read_until, until

from ingresscontroller.certificates import fake_certificate, make_context

HOST = "a.example"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def web(**annotations: str):
    named = {key.replace("_", "-"): value for key, value in annotations.items()}
    return ingress("web", rule(HOST, path("/", "web")), annotations=named)


def closed_port() -> int:
    with socket.socket() as one:
        one.bind((ADDRESS, 0))
        return int(one.getsockname()[1])


def test_the_backend_learns_who_asked(world: World):
    world.serve("web")
    world.route(web())
    told = world.ask(HOST, X_Forwarded_For="6.6.6.6", X_Real_IP="6.6.6.6", X_Mine="1").told
    fields = told["fields"]
    assert fields["x-forwarded-for"] == fields["x-real-ip"] == "127.0.0.1"
    assert fields["x-original-forwarded-for"] == "6.6.6.6"
    assert fields["x-forwarded-host"] == fields["host"] == HOST
    assert (fields["x-forwarded-proto"], fields["x-forwarded-port"]) == ("http", "80")
    assert len(fields["x-request-id"]) == 32
    assert fields["x-mine"] == "1"


def test_connections_to_endpoints_are_kept(world: World):
    world.serve("web")
    world.route(web())
    assert {world.ask(HOST).told["connection"] for _ in range(10)} == {1}


def test_a_connection_of_an_endpoint_that_left_is_closed(world: World):
    ended = threading.Event()

    async def serve(reader, writer, _number):
        await read_request(reader)
        writer.write(OK)
        await reader.read()
        ended.set()

    world.serve("web", serve)
    world.route(web())
    world.ask(HOST)
    world.declare("web")
    assert ended.wait(5)
    assert world.ask(HOST).status == 503


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_dead_endpoint_is_followed_by_the_next(world: World, method):
    (alive,) = world.serve("web")
    world.declare("web", closed_port(), closed_port(), alive)
    world.route(web())
    for _ in range(4):
        answer = world.ask(HOST, method=method, body=b"abc" if method == "POST" else None)
        assert answer.status == 200
    assert world.gateway.metrics.retries >= 2


def test_without_an_endpoint_that_answers_it_is_502(world: World):
    world.declare("web", closed_port(), closed_port())
    world.route(web())
    assert world.ask(HOST).status == 502


@contextlib.contextmanager
def mute_port() -> Iterator[int]:
    """Yield a port that answers no SYN, as a dead node's address: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((ADDRESS, 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_an_endpoint_whose_node_is_dead_is_given_up_once(world: World):
    """Whoever asks next need not wait for it again."""
    (alive,) = world.serve("web")
    with mute_port() as mute:
        world.declare("web", mute, alive)
        world.route(web(proxy_connect_timeout="1"))
        began = time.monotonic()
        statuses = [world.ask(HOST, method="POST", body=b"x").status for _ in range(6)]
        took_s = time.monotonic() - began
        assert statuses == [200] * 6
        assert 1 <= took_s < 2.9
        world.declare("web", mute)
        assert world.ask(HOST).status == 504


def test_not_more_endpoints_are_tried_than_wanted(world: World):
    (alive,) = world.serve("web")
    world.declare("web", closed_port(), alive)
    world.route(web(proxy_next_upstream_tries="1"))
    assert sorted(world.ask(HOST).status for _ in range(2)) == [200, 502]


def dying(after: bytes = b""):
    """Return a server that ends every connection without an answer."""

    async def serve(reader, writer, _number):
        await read_request(reader)
        writer.write(after)

    return serve


@pytest.mark.parametrize(
    ("method", "statuses"), [("GET", [200, 200]), ("PUT", [200, 200]), ("POST", [200, 502])]
)
def test_who_ends_without_an_answer_is_followed_where_that_is_safe(world: World, method, statuses):
    ports = world.serve("web", dying()) + world.serve("good")
    world.declare("web", *ports)
    world.route(web())
    body = None if method == "GET" else b"abc"
    assert sorted(world.ask(HOST, method=method, body=body).status for _ in range(2)) == statuses


def test_a_kept_connection_that_has_ended_costs_no_request(world: World):
    async def serve(reader, writer, _number):
        await read_request(reader)
        writer.write(OK)
        await read_request(reader)  # And says nothing to the second one.

    world.serve("web", serve)
    world.route(web())
    assert [world.ask(HOST).status for _ in range(3)] == [200, 200, 200]
    assert world.connections("web") == 3


def test_an_answer_that_breaks_off_is_not_repeated(world: World):
    world.serve("web", dying(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"))
    world.route(web())
    client = world.client()
    client.request("GET", "/", headers={"Host": HOST})
    with pytest.raises(http.client.IncompleteRead):
        client.getresponse().read()
    assert world.connections("web") == 1
    client.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 40_000,
    ],
)
def test_an_answer_that_is_none_is_502(world: World, answer):
    world.serve("web", dying(answer))
    world.route(web())
    assert world.ask(HOST).status == 502


def silent():
    async def serve(reader, _writer, _number):
        await reader.read()

    return serve


def test_an_endpoint_that_says_nothing_is_504(world: World):
    world.serve("web", silent())
    world.route(web(proxy_read_timeout="1", proxy_next_upstream_tries="1"))
    assert world.ask(HOST).status == 504


def test_interim_answers_are_not_passed_on(world: World):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    world.serve("web", dying(early + OK))
    world.route(web())
    assert world.ask(HOST).status == 200


@pytest.mark.parametrize(
    ("answer", "body", "fields"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end", {"Transfer-Encoding"}),
        (b"HTTP/1.0 200 OK\r\n\r\nold", b"old", {"Transfer-Encoding"}),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"abc",
         {"Transfer-Encoding"}),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", b"", set()),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"", {"Content-Length"}),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X\r\nX: 1\r\n\r\nok", b"ok",
         {"Content-Length"}),
    ],
)  # fmt: skip
def test_answers_are_framed_anew(world: World, answer, body, fields):
    world.serve("web", dying(answer))
    world.route(web())
    got = world.ask(HOST)
    assert got.told == body
    assert {name for name, _ in got.getheaders()} == fields


def test_an_old_client_gets_an_answer_until_the_end(world: World):
    world.serve("web", dying(b"HTTP/1.1 200 OK\r\n\r\nabc"))
    world.route(web())
    said = world.raw(f"GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
    head, _, body = said.partition(b"\r\n\r\n")
    assert body == b"abc"
    assert b"chunked" not in head
    assert b"Connection: close" in head


def test_heads_alone_have_no_body(world: World):
    world.serve("web", dying(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"))
    world.route(web())
    answer = world.ask(HOST, method="HEAD")
    assert (answer.told, answer.getheader("Content-Length")) == (b"", "500")


# --- bodies


@pytest.mark.parametrize("octets", [0, 1, 70_000, 900_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_arrive_whole(world: World, octets, chunked):
    world.serve("web")
    world.route(web(proxy_body_size="8m"))
    body = random.Random(octets).randbytes(octets)
    pieces = iter([body[:100], body[100:]]) if chunked else body
    told = world.ask(HOST, method="POST", body=pieces).told
    assert told["body"].encode("latin-1") == body


def test_large_answers_come_through_with_bounds(world: World):
    piece = bytes(1024 * 1024)

    async def serve(reader, writer, _number):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (32 * len(piece)))
        for _ in range(32):
            writer.write(piece)
            await writer.drain()

    world.serve("web", serve)
    world.route(web())
    client = world.client()
    client.request("GET", "/", headers={"Host": HOST})
    digest = hashlib.sha256(client.getresponse().read()).hexdigest()
    assert digest == hashlib.sha256(32 * piece).hexdigest()
    client.close()


def test_a_slow_reader_holds_its_endpoint(world: World):
    sent = [0]

    async def serve(reader, writer, _number):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            sent[0] += 65536
            await writer.drain()

    world.serve("web", serve)
    world.route(web())
    with world.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        client.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        read_until(client, b"\r\n\r\n")
        stands: list[int] = []

        def still() -> bool:
            stands.append(sent[0])
            threading.Event().wait(0.05)
            return len(stands) > 3 and len(set(stands[-3:])) == 1

        until(still)
        assert sent[0] < 64 * 1024 * 1024


def test_a_body_that_grows_too_large_is_413(world: World):
    world.serve("web")
    world.route(web(proxy_body_size="1k"))
    with world.connect() as client:
        client.sendall(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n"
                       .encode() + b"800\r\n" + bytes(2048) + b"\r\n")  # fmt: skip
        assert read_all(client).startswith(b"HTTP/1.1 413 ")


def test_streams_go_both_ways_at_once(world: World):
    async def serve(reader, writer, _number):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while size := int(await reader.readline(), 16):
            piece = await reader.readexactly(size)
            await reader.readline()
            writer.write(b"%x\r\n%b\r\n" % (size, piece.upper()))
        writer.write(b"0\r\n\r\n")

    world.serve("web", serve)
    world.route(web())
    with world.connect() as client:
        client.sendall(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n"
                       .encode())  # fmt: skip
        for word in (b"one", b"two", b"three"):
            client.sendall(b"%x\r\n%b\r\n" % (len(word), word))
            read_until(client, word.upper())
        client.sendall(b"0\r\n\r\n")
        read_until(client, b"0\r\n\r\n")


def test_an_endpoint_that_takes_nothing_is_504(world: World):
    async def serve(_reader, writer, _number):
        writer.transport.pause_reading()
        await asyncio.sleep(60)

    world.serve("web", serve)
    world.route(web(proxy_body_size="0", proxy_send_timeout="1", proxy_next_upstream_tries="1"))
    with world.connect() as client:
        client.setblocking(False)
        client.settimeout(10)
        sender = threading.Thread(target=flood, args=(client, 20_000_000))
        sender.start()
        said = read_until(client, b"\r\n\r\n")
        client.close()
        sender.join()
    assert said.startswith(b"HTTP/1.1 504 ")


def flood(client: socket.socket, octets: int) -> None:
    """Send a body of *octets*, as far as it is taken."""
    head = f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {octets}\r\n\r\n"
    with contextlib.suppress(OSError):
        client.sendall(head.encode() + bytes(octets))


def test_endpoints_may_speak_tls(world: World):
    context = make_context(*fake_certificate(1_780_000_000.0))
    world.serve("web", context=context)
    world.route(web(backend_protocol="HTTPS"))
    first, second = world.ask(HOST), world.ask(HOST)
    assert first.told["connection"] == second.told["connection"] == 1
    world.route(web())
    assert world.ask(HOST).status == 502


def test_who_waits_to_continue_is_told_to(world: World):
    world.serve("web")
    world.route(web())
    with world.connect() as client:
        client.sendall(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 3\r\n"
                       "Expect: 100-continue\r\n\r\n".encode())  # fmt: skip
        read_until(client, b"100 Continue\r\n\r\n")
        client.sendall(b"abc")
        said = read_until(client, b"}")
    assert b'"body": "abc"' in said
    assert b'"expect"' not in said


# --- upgrades


def test_websockets_become_tunnels(world: World):
    async def serve(reader, writer, _number):
        _, fields, _ = await read_request(reader)
        assert fields["connection"] == "upgrade"
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                     b"Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nhello")  # fmt: skip
        while data := await reader.read(100):
            writer.write(data[::-1])

    world.serve("web", serve)
    world.route(web())
    with world.connect() as client:
        client.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\n"
                       "Upgrade: websocket\r\nSec-WebSocket-Key: y\r\n\r\n".encode())  # fmt: skip
        read_until(client, b"hello")
        client.sendall(b"abc")
        read_until(client, b"cba")
    until(lambda: not world.gateway.clients)


def test_no_other_upgrade_is_passed_on(world: World):
    world.serve("web")
    world.route(web())
    told = world.ask(HOST, Connection="Upgrade, HTTP2-Settings", Upgrade="h2c").told
    assert not {"upgrade", "connection"} & told["fields"].keys()


# --- clients that leave, changes


def test_an_endpoint_learns_that_the_client_has_left(world: World):
    left = threading.Event()

    async def serve(reader, _writer, _number):
        await read_request(reader)
        await reader.read()
        left.set()

    world.serve("web", serve)
    world.route(web())
    with world.connect() as client:
        client.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        until(lambda: world.connections("web") == 1)
    assert left.wait(5)


def test_what_is_under_way_outlives_its_route(world: World):
    may_go = asyncio.Event()

    async def serve(reader, writer, _number):
        await read_request(reader)
        await may_go.wait()
        writer.write(OK)

    world.serve("web", serve)
    world.route(web())
    client = world.client()
    client.request("GET", "/", headers={"Host": HOST})
    until(lambda: world.connections("web") == 1)
    world.route()
    world.declare("web")
    assert world.ask(HOST).status == 404

    async def go():
        may_go.set()

    world.do(go())
    assert client.getresponse().read() == b"ok"
    client.close()


def test_changes_cost_no_request(world: World):
    first, second = world.serve("web"), world.serve("other")
    world.route(web())
    statuses, stop = [], threading.Event()

    def ask():
        client = world.client()
        while not stop.is_set():
            client.request("POST", "/", b"x", {"Host": HOST})
            answer = client.getresponse()
            answer.read()
            statuses.append(answer.status)
        client.close()

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for each in asking:
        each.start()
    for at in range(60):
        world.declare("web", *((first, second, first + second)[at % 3]))
        world.route(web(proxy_read_timeout=str(30 + at)))
    stop.set()
    for each in asking:
        each.join()
    assert len(statuses) > 10
    assert set(statuses) == {200}


# --- affinity


def test_a_cookie_leads_back(world: World):
    ports = world.serve("one", echo("one")) + world.serve("two", echo("two"))
    world.declare("web", *ports)
    world.route(web(affinity="cookie", session_cookie_name="route"))
    answer = world.ask(HOST)
    cookie = answer.getheader("Set-Cookie").partition(";")[0]
    assert cookie.startswith("route=")
    for _ in range(4):
        again = world.ask(HOST, Cookie=cookie)
        assert again.told["name"] == answer.told["name"]
        assert again.getheader("Set-Cookie") is None
    stale = world.ask(HOST, Cookie="route=0123")
    assert stale.getheader("Set-Cookie") is not None
