"""Random histories: what clients saw while server and store were killed, held to one order.

PODWIRE_TEST_HISTORY_S says how long (default 3 s each), PODWIRE_TEST_HISTORY_SEED which one.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import replace

import aiohttp
import pytest

from componentbase.tasks import Tasks

from ..storage.conftest import (  # noqa: TID252 - the mirror of src has no other name for it
    etcd_is_installed,  # noqa: F401 - a fixture
    make_etcd,  # noqa: F401 - a fixture
)
from .conftest import RunningServer
from .histories import Checker, Event, Operation

LASTS_S = float(os.environ.get("PODWIRE_TEST_HISTORY_S", "3"))
SEED = int(os.environ.get("PODWIRE_TEST_HISTORY_SEED", "11"))
PATH = "/api/v1/namespaces/default/configmaps"
#: The namespace has another ConfigMap, which controllers would make.
OURS = "labelSelector=history%3Dyes"
NAMES = ("a", "b", "c")
CLIENTS, WATCHERS = 4, 3


class Client:
    """One client: one operation at a time, at random, each remembered."""

    def __init__(self, server: RunningServer, session: aiohttp.ClientSession, seed: int) -> None:
        self._server, self._session, self._rng = server, session, random.Random(seed)
        self._seed, self._number = seed, 0
        self.operations: list[Operation] = []
        self._known: dict[str, int] = {}

    async def run(self, until: Callable[[], bool]) -> None:
        while not until():
            operation = self._draw()
            self.operations.append(operation)
            try:
                await self._do(operation)
            except (aiohttp.ClientError, OSError, TimeoutError):
                operation.code, operation.ended = 0, float("inf")  # Nobody knows.
                await asyncio.sleep(0.05)

    def _draw(self) -> Operation:
        kinds = ("create", "update", "update", "delete", "get", "get", "list")
        kind, name = self._rng.choice(kinds), self._rng.choice(NAMES)
        self._number += 1
        operation = Operation(kind, name, time.monotonic())
        if kind in ("create", "update"):
            operation.value = f"{self._seed}-{self._number}"
        if kind in ("update", "delete"):
            operation.expected = self._known.get(name, 0)
        if kind == "list" and self._known and self._rng.random() < 0.5:
            operation.exact = max(self._known.values())
        if kind in ("update", "delete") and not operation.expected:
            operation.kind, operation.value = "get", ""
        return operation

    async def _do(self, operation: Operation) -> None:
        method, path, body = self._request(operation)
        async with self._session.request(method, self._server.url + path, json=body) as answer:
            found = await answer.json()
            operation.code = answer.status
        operation.ended = time.monotonic()
        if operation.code >= 500 or operation.code in (429, 410):
            operation.code = 0 if method != "GET" else operation.code  # It may have happened.
            operation.ended = float("inf") if method != "GET" else operation.ended
            return
        if operation.code >= 300:
            self._known.pop(operation.name, None)
            return
        if operation.kind == "list":
            operation.revision = int(found["metadata"]["resourceVersion"])
            operation.items = {
                item["metadata"]["name"]: (
                    int(item["metadata"]["resourceVersion"]),
                    item["data"]["value"],
                )
                for item in found["items"]
            }
            return
        self._learn(operation, found)

    def _learn(self, operation: Operation, found: dict) -> None:
        if operation.kind == "delete":
            self._known.pop(operation.name, None)
            return
        operation.revision = int(found["metadata"]["resourceVersion"])
        operation.seen = found["data"]["value"]
        self._known[operation.name] = operation.revision

    def _request(self, operation: Operation) -> tuple[str, str, dict | None]:
        one = f"{PATH}/{operation.name}"
        if operation.kind == "list":
            exact = f"&resourceVersion={operation.exact}&resourceVersionMatch=Exact"
            return "GET", f"{PATH}?{OURS}{exact if operation.exact else ''}", None
        if operation.kind == "get":
            return "GET", one, None
        version = str(operation.expected) if operation.expected else None
        if operation.kind == "delete":
            return "DELETE", one, {"preconditions": {"resourceVersion": version}}
        metadata = {"name": operation.name, "labels": {"history": "yes"}}
        body = {"metadata": metadata, "data": {"value": operation.value}}
        if operation.kind == "create":
            return "POST", PATH, body
        metadata["resourceVersion"] = version
        return "PUT", one, body


class Watcher:
    """Follows everything from *start* on, over every end of a watch."""

    def __init__(self, server: RunningServer, session: aiohttp.ClientSession, start: int) -> None:
        self._server, self._session, self.revision = server, session, start
        self.events: list[Event] = []

    async def run(self) -> None:
        while True:
            query = f"watch=true&{OURS}&allowWatchBookmarks=true&resourceVersion={self.revision}"
            try:
                async with self._session.get(f"{self._server.url}{PATH}?{query}") as answer:
                    if answer.status == 200:
                        await self._follow(answer)
                    assert answer.status != 410, await answer.text()
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            await asyncio.sleep(0.02)

    async def _follow(self, answer: aiohttp.ClientResponse) -> None:
        async for line in answer.content:
            if not line.endswith(b"\n"):
                return  # The server died in the middle of it.
            event = json.loads(line)
            assert event["type"] != "ERROR", event
            metadata = event["object"]["metadata"]
            self.revision = int(metadata["resourceVersion"])
            if event["type"] != "BOOKMARK":
                value = event["object"]["data"]["value"]
                told = Event(event["type"], metadata["name"], self.revision, value)
                self.events.append(told)


async def history(
    server: RunningServer, disturb: list[Callable[[], None]]
) -> tuple[list[Operation], list[Watcher]]:
    """Let clients work while something is disturbed now and then; return what all saw."""
    started = server.request("GET", PATH).json["metadata"]["resourceVersion"]
    connector = aiohttp.TCPConnector(ssl=server.tls(), limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=15)
    tasks, ends, loop = Tasks(), time.monotonic() + LASTS_S, asyncio.get_running_loop()
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        clients = [Client(server, session, SEED * 100 + n) for n in range(CLIENTS)]
        watchers = [Watcher(server, session, int(started)) for _ in range(WATCHERS)]
        for watcher in watchers:
            tasks.spawn(watcher.run(), name="watcher")
        over = [False]
        work = [tasks.spawn(client.run(lambda: over[0]), name="client") for client in clients]
        rng = random.Random(SEED)
        while time.monotonic() < ends:
            await asyncio.sleep(rng.uniform(0.3, 1.0))
            await loop.run_in_executor(None, rng.choice(disturb))
        over[0] = True
        await asyncio.wait_for(asyncio.gather(*work), 30)
        last = Client(server, session, 7)
        await _last_word(last)
        async with asyncio.timeout(20):
            while any(w.revision < last.operations[-1].revision for w in watchers):
                await asyncio.sleep(0.01)
        await tasks.close()
    done = [operation for each in (*clients, last) for operation in each.operations]
    return done, watchers


async def _last_word(client: Client) -> None:
    """Write once more, until it succeeds: watchers that have seen this have seen everything."""
    for number in range(1000):
        operation = Operation("create", f"last-{number}", time.monotonic(), f"last-{number}")
        client.operations.append(operation)
        try:
            await client._do(operation)
        except (aiohttp.ClientError, OSError, TimeoutError):
            operation.code, operation.ended = 0, float("inf")
        if operation.code == 201:
            return
        await asyncio.sleep(0.05)


def judge(operations: list[Operation], watchers: list[Watcher]) -> None:
    for watcher in watchers:
        assert watcher.events == watchers[0].events, "two watchers saw different things"
    deletions = [e for e in watchers[0].events if e.type == "DELETED"]
    _find_revisions(operations, deletions)
    complaints = Checker(operations, watchers[0].events).check()
    assert not complaints, f"seed {SEED}: " + "\n".join(complaints[:5])
    written = sum(o.kind in ("create", "update", "delete") and o.code < 300 for o in operations)
    assert written > 20, "the history says nothing"


def _find_revisions(operations: list[Operation], deletions: list[Event]) -> None:
    """Give acknowledged deletions their revisions: the one after what they insisted on."""
    by_before = {}
    for event in deletions:
        by_before.setdefault(event.name, []).append(event.revision)
    for operation in operations:
        if operation.kind == "delete" and 200 <= operation.code < 300:
            later = [r for r in by_before.get(operation.name, ()) if r > operation.expected]
            operation.revision = min(later, default=0)


def restart(server: RunningServer) -> Callable[[], None]:
    def do() -> None:
        server.kill()
        server.start()

    return do


@pytest.mark.asyncio
@pytest.mark.timeout(120 + 3 * LASTS_S)
async def test_a_server_that_is_killed_again_and_again_loses_and_invents_nothing(stopped_server):
    stopped_server.start()
    judge(*await history(stopped_server, [restart(stopped_server)]))


@pytest.mark.asyncio
@pytest.mark.timeout(120 + 3 * LASTS_S)
async def test_nor_does_one_whose_etcd_is_killed(stopped_server, make_etcd):  # noqa: F811
    etcd = make_etcd()
    stopped_server.more = {"etcd_endpoints": etcd.endpoints, "cluster_uid": "u"}
    stopped_server.start()

    def restart_etcd() -> None:
        etcd.kill()
        etcd.start()

    disturbances = [restart(stopped_server), restart_etcd]
    judge(*await history(stopped_server, disturbances))


A = Operation("create", "a", 1, "1", ended=2, code=201, revision=5)
B = Operation("update", "a", 3, "2", expected=5, ended=4, code=200, revision=6)
EVENTS = [Event("ADDED", "a", 5, "1"), Event("MODIFIED", "a", 6, "2")]


@pytest.mark.parametrize(
    ("more", "events", "complaint"),
    [
        ([], EVENTS, ""),
        ([], EVENTS[:1], "never told"),
        ([], [*EVENTS, EVENTS[1]], "told after"),
        ([], [EVENTS[0], replace(EVENTS[1], value="9")], "nobody wrote this"),
        ([Operation("get", "a", 5, ended=6, code=200, revision=5, seen="1")], EVENTS, "stale"),
        ([Operation("get", "a", 5, ended=6, code=200, revision=6, seen="2")], EVENTS, ""),
        ([Operation("get", "a", 3.5, ended=6, code=200, revision=5, seen="1")], EVENTS, ""),
        ([Operation("get", "a", 0.5, ended=6, code=404)], EVENTS, ""),
        ([Operation("get", "a", 2.5, ended=6, code=404)], EVENTS, "stale"),
        ([Operation("create", "a", 0.1, "3", ended=0.5, code=409)], EVENTS, "without a reason"),
        ([Operation("create", "a", 0.1, "3", ended=1.5, code=409)], EVENTS, ""),
        ([Operation("update", "a", 5, "3", 6, ended=6, code=409)], EVENTS, "without a reason"),
        ([Operation("update", "a", 5, "3", 5, ended=6, code=409)], EVENTS, ""),
        ([Operation("list", "", 5, ended=6, code=200, revision=5)], EVENTS, "no state"),
        (
            [Operation("list", "", 5, ended=6, code=200, revision=5, items={"a": (5, "1")})],
            EVENTS,
            "older than revision 6",
        ),
        (
            [Operation("update", "a", 4.5, "3", 5, ended=5, code=200, revision=7)],
            [*EVENTS, Event("MODIFIED", "a", 7, "3")],
            "written over",
        ),
        ([Operation("create", "b", 1, "3")], [*EVENTS, Event("ADDED", "b", 9, "3")], ""),
        # Two deletions without an answer, of which the second one took effect.
        (
            [Operation("delete", "a", 3, expected=5), Operation("delete", "a", 5, expected=6)],
            [*EVENTS, Event("DELETED", "a", 9, "2")],
            "",
        ),
        (
            [Operation("delete", "a", 3, expected=5)],
            [*EVENTS, Event("DELETED", "a", 9, "2")],
            "written over",
        ),
    ],
    ids=[str(number) for number in range(19)],
)
def test_the_checker_finds_what_is_wrong(more, events, complaint):
    found = Checker([replace(A), replace(B), *map(replace, more)], events).check()
    assert any(complaint in each for each in found) if complaint else not found, found
