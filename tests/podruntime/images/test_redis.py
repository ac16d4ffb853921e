"""redis and the guestbook's images, over the kernel's loopback."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podruntime.images import guestbook, redis, registry, resp
from podruntime.images.http_message import Headers
from podruntime.images.http_server import Request
from podruntime.images.redis_database import VALUES_OCTETS_MAX, Database

from .processes import process, run
from .test_web_images import free_port


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.integers(0, 200))
def test_a_command_is_taken_only_when_it_is_whole(words, cut):
    octets = resp.command(*words)
    buffer = bytearray(octets[: min(cut, len(octets) - 1)])
    assert resp.take_command(buffer) is None
    buffer = bytearray(octets + b"rest")
    assert resp.take_command(buffer) == words
    assert buffer == b"rest"


@given(st.binary(max_size=200))
def test_any_octets_are_a_command_or_malformed(octets):
    for take in (resp.take_command, resp.take_reply):
        try:
            take(bytearray(octets))
        except resp.MalformedCommand:
            continue


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"PING", b"+PONG\r\n"),
        (b"SET a 1", b"+OK\r\n"),
        (b"GET a", b"$1\r\n1\r\n"),
        (b"GET absent", b"$-1\r\n"),
        (b"INCR a", b":2\r\n"),
        (b"DECR a", b":0\r\n"),
        (b"INCRBY a 10", b":11\r\n"),
        (b"APPEND a x", b":2\r\n"),
        (b"EXISTS a b", b":1\r\n"),
        (b"KEYS *", b"*1\r\n$1\r\na\r\n"),
        (b"DEL a b", b":1\r\n"),
        (b"DBSIZE", b":1\r\n"),
        (b"GET", b"-ERR wrong number of arguments for 'get' command\r\n"),
        (b"NOPE", b"-ERR unknown command 'NOPE'\r\n"),
    ],
)
def test_replies_to_commands_on_a_database_with_one_key(line, reply):
    data = Database()
    data.do([b"SET", b"a", b"1"])
    assert resp.reply(data.do(line.split())) == reply


def test_incr_of_a_text_and_a_full_memory_are_errors():
    data = Database()
    data.do([b"SET", b"a", b"text"])
    assert resp.reply(data.do([b"INCR", b"a"])).startswith(b"-ERR value is not an integer")
    assert resp.reply(data.put(b"b", bytes(VALUES_OCTETS_MAX))).startswith(b"-OOM")
    assert data.octets == len("atext")
    data.do([b"FLUSHALL"])
    assert data.octets == 0


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        (["RPUSH q a b c", "LPUSH q z", "LRANGE q 0 -1"], [b"z", b"a", b"b", b"c"]),
        (["RPUSH q a b c", "LRANGE q -2 1"], [b"b"]),
        (["RPUSH q a", "LRANGE q 0 -5"], []),
        (["RPUSH q a b", "LPOP q"], b"a"),
        (["RPUSH q a b", "RPOP q", "LLEN q"], 1),
        (["RPUSH q a", "LPOP q", "EXISTS q"], 0),
        (["LPOP q"], None),
        (["RPUSH q a b", "SET q x", "LLEN q"], "WRONGTYPE"),
        (["RPUSH q a", "INCR q"], "WRONGTYPE"),
        (["RPUSH q a", "LRANGE q x 1"], "ERR value is not an integer"),
        (["RPUSH q a b", "DEL q", "DBSIZE"], 0),
        (["RPUSH q a", "SET b c", "KEYS *"], [b"b", b"q"]),
    ],
)
def test_lists(lines, reply):
    data = Database()
    for line in lines:
        said = data.do(line.encode().split())
    assert said.startswith(reply) if isinstance(reply, str) else said == reply
    copy = Database()
    buffer = bytearray(data.snapshot())
    while words := resp.take_command(buffer):
        copy.do(words)
    assert (copy.values, copy.lists, copy.octets) == (data.values, data.lists, data.octets)


@given(st.lists(st.binary(max_size=20), max_size=5), st.integers(0, 100))
def test_a_list_is_taken_only_when_it_is_whole(elements, cut):
    octets = resp.reply(elements)
    buffer = bytearray(octets[: min(cut, len(octets) - 1)])
    assert resp.take_reply(buffer) is None
    buffer = bytearray(octets + b"rest")
    assert resp.take_reply(buffer) == (b"*", b"\n".join(elements))
    assert buffer == b"rest"


@asynccontextmanager
async def running(name, *arguments):
    found = registry.find(name).image
    made = process([*found.entrypoint, *arguments], programs=found.programs)
    program = found.programs[made.argv[0]]
    task = asyncio.get_running_loop().create_task(program(made))
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait([task])


async def ask(port, *words):
    async with asyncio.timeout(10):
        while True:
            try:
                return await redis.ask("127.0.0.1", port, *words)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)


async def until(port, key, value):
    async with asyncio.timeout(40):
        while (await ask(port, b"GET", key))[1] != value:
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_a_follower_copies_its_leader_and_refuses_writes():
    leader, follower = free_port(), free_port()
    copying = ("--port", str(follower), "--replicaof", "127.0.0.1", str(leader))
    async with running("redis:6.0.5", "--port", str(leader)), running("redis", *copying):
        assert await ask(leader, b"SET", b"before", b"1") == (b"+", b"OK")
        await until(follower, b"before", b"1")
        await ask(leader, b"INCR", b"before")
        await until(follower, b"before", b"2")
        kind, text = await ask(follower, b"SET", b"x", b"y")
        assert kind == b"-"
        assert text.startswith(b"READONLY")
        assert b"role:slave" in (await ask(follower, b"INFO"))[1]
        assert b"connected_slaves:1" in (await ask(leader, b"INFO"))[1]
        await ask(follower, b"REPLICAOF", b"NO", b"ONE")
        assert await ask(follower, b"SET", b"x", b"y") == (b"+", b"OK")
        programs = redis.IMAGE.programs
        cli = ["redis-cli", "-p", str(follower), "get", "x"]
        assert (await run(cli, programs=programs))[:2] == (0, "y\n")
        assert await ask(follower, b"RPUSH", b"job", b"apple", b"banana") == (b":", b"2")
        cli = ["redis-cli", "-p", str(follower), "lrange", "job", "0", "-1"]
        assert (await run(cli, programs=programs))[:2] == (0, "apple\nbanana\n")
    assert (await run(cli, programs=programs))[0] == 1


@pytest.mark.asyncio
async def test_the_guestbook_sets_at_the_leader_and_gets_from_the_follower(monkeypatch):
    port = free_port()
    monkeypatch.setattr(redis, "PORT", port)
    made = process(
        ["apache2-foreground"],
        env={
            "GET_HOSTS_FROM": "env",
            "REDIS_LEADER_SERVICE_HOST": "127.0.0.1",
            "REDIS_FOLLOWER_SERVICE_HOST": "127.0.0.1",
        },
    )
    frontend = guestbook._Frontend(made)

    async def get(target):
        return await frontend.answer(
            Request("GET", target, "HTTP/1.1", Headers([]), b"", ("127.0.0.1", 1))
        )

    assert (await get("/guestbook.php?cmd=get&key=messages")).status == 500
    async with running("redis", "--port", str(port)):
        await ask(port, b"PING")
        answer = await get("/guestbook.php?cmd=set&key=messages&value=,hello")
        assert answer.body == b'{"message": "Updated"}'
        answer = await get("/guestbook.php?cmd=get&key=messages")
        assert answer.body == b'{"data": ",hello"}'
    assert b"Guestbook" in (await get("/")).body
    assert (await get("/other")).status == 404


def test_the_documentations_images_are_known():
    for name in (
        "registry.k8s.io/redis:e2e",
        "docker.io/redis:6.0.5",
        "us-docker.pkg.dev/google-samples/containers/gke/gb-frontend:v5",
        "us-docker.pkg.dev/google-samples/containers/gke/gb-redis-follower:v2",
    ):
        assert registry.find(name).image.programs
