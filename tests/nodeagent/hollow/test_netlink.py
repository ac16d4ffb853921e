"""Tables in memory, as a nodeagent writes them."""

from __future__ import annotations

import asyncio

import pytest

from componentbase.rpc import RpcError
from componentbase.tasks import Tasks
from nodeagent.hollow.netlink import HollowTables
from nodeagent.hollow.peer import LocalPeer
from nodeagent.netlink import Netlink
from nodeagent.tables import Tables


def test_rows_are_kept_by_key_and_deleted_by_it():
    tables = HollowTables()
    row = {"address": "10.96.0.1", "port": 443, "protocol": "TCP", "service": "default/kubernetes"}
    tables.answer("frontend_replace", {"entries": [row, {**row, "port": 80}]})
    tables.answer("frontend_replace", {"entries": [{**row, "service": "other"}]})
    assert [each["service"] for each in tables.answer("frontend_list", {})] == [
        "other",
        "default/kubernetes",
    ]
    tables.answer("frontend_delete", {"keys": [["10.96.0.1", 443, "TCP"]]})
    assert [each["port"] for each in tables.answer("frontend_list", {})] == [80]
    tables.answer("link_replace", {"entries": [{"name": "veth1"}]})
    tables.answer("link_delete", {"keys": ["veth1"]})
    assert tables.answer("link_list", {}) == []
    assert tables.answer("settings", {"cluster_cidr": "10.244.0.0/16"}) is None


@pytest.mark.parametrize("method", ["conntrack_list", "link_flush", "nonsense"])
def test_there_is_nothing_else(method):
    with pytest.raises(RpcError):
        HollowTables().answer(method, {})


@pytest.mark.asyncio
async def test_a_nodeagents_netlink_settles_against_it():
    kept, wanted, tasks = HollowTables(), Tables(), Tasks()
    netlink = Netlink(LocalPeer(kept.answer, name="datapath"), {}, tables=wanted)
    assert not netlink.connected
    wanted.replace("link", {"name": "veth1"})
    tasks.spawn(netlink.run_connection(), name="connection")
    tasks.spawn(netlink.run_tables(), name="tables")
    try:
        assert await netlink.settled(5)
        assert kept.answer("link_list", {}) == [{"name": "veth1"}]
        wanted.claim("link")
        wanted.delete("link", ("veth1",))
        assert await netlink.settled(5)
        assert kept.answer("link_list", {}) == []
    finally:
        await tasks.close()


@pytest.mark.asyncio
async def test_nobody_answers_before_the_greeting():
    peer = LocalPeer(HollowTables().answer, name="datapath")
    with pytest.raises(RpcError, match="datapath is not reachable"):
        await peer.call("link_list")
    told = asyncio.Event()
    peer.on_state = lambda _connected: told.set()

    async def greet(caller):
        assert await caller.call("link_list", {}) == []

    tasks = Tasks()
    tasks.spawn(peer.run(greet), name="peer")
    try:
        async with asyncio.timeout(5):
            await told.wait()
        assert peer.connected
    finally:
        await tasks.close()
