"""Damaged requests in a row: the endpoint sees the requests that were routed, and no others.

Damage may turn a Content-Length into another field, and what was a body into a request that is
truly the client's: then it is routed, logged and sent as one.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter

from ingress_objects import ingress, path, rule
from ingress_world import World, read_request, until

#: A second request is hidden in the body of the first.
_HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a.example\r\n\r\n"
_BODIES = (
    b"Content-Length: %d\r\n\r\n%b" % (len(_HIDDEN), _HIDDEN),
    b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(_HIDDEN), _HIDDEN),
)
_DAMAGE = (b" ", b"\t", b"\x0b", b"\0", b":", b",", b";", b"0", b"_", b"\xff",
           b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: x\r\n",
           b"X: y\r\n", b" chunked", b"+", b"-", b"\x85")  # fmt: skip
_TIMES = 400


def damaged(rng: random.Random) -> bytes:
    """Return a POST whose head, but for its request line, is damaged somewhere."""
    body = rng.choice(_BODIES)
    fields = b"Host: a.example\r\nContent-Type: text/plain\r\n" + body
    end = fields.index(b"\r\n\r\n")
    for _ in range(rng.randint(1, 2)):
        at, piece = rng.randrange(end), rng.choice(_DAMAGE)
        if piece.endswith(b"\n"):
            at = fields.rfind(b"\n", 0, at) + 1
        fields = fields[:at] + piece + fields[at:]
        end += len(piece)
    return b"POST /open HTTP/1.1\r\n" + fields


def test_no_damage_lets_a_hidden_request_out(world: World) -> None:
    seen: list[str] = []

    async def serve(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _number: int
    ) -> None:
        while True:
            line, _, _ = await read_request(reader)
            seen.append(line)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    world.serve("web", serve)
    world.route(ingress("web", rule("a.example", path("/", "web")), annotations={
        "proxy-read-timeout": "2"}))  # fmt: skip
    rng = random.Random(20)
    refused = 0
    for _ in range(_TIMES):
        octets = damaged(rng)
        with world.connect() as client:
            client.sendall(octets)
            with contextlib.suppress(OSError):
                refused += b"HTTP/1.1 200 " not in client.recv(4096)
    assert _TIMES // 4 < refused < _TIMES
    until(lambda: not world.gateway.clients)
    until(lambda: Counter(seen) <= Counter(logged(world)))
    assert seen.count("POST /open HTTP/1.1") > _TIMES // 10


def logged(world: World) -> list[str]:
    return [line.split('"')[1] for line in "\n".join(world.log).splitlines()]
