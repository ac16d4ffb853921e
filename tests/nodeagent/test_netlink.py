"""The netlink shell against a server that records (componentbase.rpc, as the datapath's)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from componentbase.rpc import RpcError, Server
from componentbase.tasks import Tasks
from nodeagent.netlink import Netlink
from nodeagent.peer import Peer
from nodeagent.tables import KEYS, Tables


class RecordingDatapath:
    def __init__(self, path) -> None:
        self.calls: list[tuple[str, object]] = []
        self.refuse = ""
        handlers = {"settings": self._record("settings")}
        for table in KEYS:
            handlers |= {
                f"{table}_list": self._list,
                f"{table}_replace": self._record(f"{table}_replace"),
                f"{table}_delete": self._record(f"{table}_delete"),
            }
        self.server = Server(path, handlers)

    def _record(self, method: str):
        async def handler(_connection, params):
            entries = params.get("entries", [])
            if self.refuse and any(e.get("destination") == self.refuse for e in entries):
                raise RpcError("InvalidArgument", self.refuse)
            self.calls.append((method, params))
            return {}

        return handler

    async def _list(self, _connection, _params):
        return []

    def named(self, method: str) -> list[object]:
        return [params for name, params in self.calls if name == method]


@asynccontextmanager
async def connected(tmp_path):
    netlink = Netlink(
        Peer(tmp_path / "n.sock", name="datapath"), {"cluster_cidr": "c"}, tables=Tables()
    )
    tasks = Tasks()
    tasks.spawn(netlink.run_connection(), name="connection")
    tasks.spawn(netlink.run_tables(), name="tables")
    datapath = RecordingDatapath(tmp_path / "n.sock")
    await datapath.server.start()
    try:
        yield netlink, datapath
    finally:
        await tasks.close()
        await datapath.server.close()


def route(number: int):
    return {"destination": f"10.{number}.0.0/24", "device": "d"}


@pytest.mark.asyncio
async def test_settings_first_then_entries(tmp_path):
    async with connected(tmp_path) as (netlink, datapath):
        netlink.tables.replace("route", route(1))
        assert await netlink.settled(5)
        assert datapath.calls == [
            ("settings", {"cluster_cidr": "c"}),
            ("route_replace", {"entries": [route(1)]}),
        ]


@pytest.mark.asyncio
async def test_restarted_datapath_gets_everything_again(tmp_path):
    async with connected(tmp_path) as (netlink, datapath):
        netlink.tables.replace("route", route(1))
        assert await netlink.settled(5)
        lost = asyncio.Event()
        netlink.on_state = lambda up: None if up else lost.set()
        await datapath.server.close()
        await lost.wait()
        netlink.tables.replace("route", route(2))
        assert not await netlink.settled(0.05)
        datapath.calls.clear()
        await datapath.server.start()
        assert await netlink.settled(5)
        assert datapath.named("route_replace") == [{"entries": [route(1), route(2)]}]


@pytest.mark.asyncio
async def test_one_bad_entry_does_not_keep_the_others_out(tmp_path):
    async with connected(tmp_path) as (netlink, datapath):
        datapath.refuse = route(2)["destination"]
        netlink.tables.replace("route", route(1), route(2), route(3))
        assert await netlink.settled(5)
        got = [p["entries"][0]["destination"] for p in datapath.named("route_replace")]
        assert got == [route(1)["destination"], route(3)["destination"]]
