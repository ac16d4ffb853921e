"""The flow log as it is typed, against a datapath that answers as ours does."""

from __future__ import annotations

import asyncio
import json

import pytest
from click.testing import CliRunner
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from podwire.cli import CommandFailed, flows, root
from podwire.cli.flow_words import Selection
from podwire.cluster.layout import Cluster, Layout, UsageError

from .test_flow_words import DROP, NAMES, ROW
from .test_views import serve, typed

FRAME = bytes(Ether() / IP(src="10.244.0.2", dst="10.244.1.2") / TCP(dport=9))


@pytest.fixture
def layout(tmp_path, monkeypatch):
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    layout = Layout.of("podwire")
    layout.make_directories()
    layout.write_cluster(Cluster(name="podwire", block=1, nodes=1))
    layout.node("node-1").mkdir(parents=True)
    monkeypatch.setattr(flows.stacks, "names", lambda _paths: NAMES)
    return layout


@pytest.mark.asyncio
async def test_connections_that_are_there_are_listed(layout):
    datapath = await serve(layout.node("node-1") / "netlink.sock", conntrack_list=[ROW])
    try:
        assert "default/a:4000 -> svc/default/web:80" in await typed("flows")
        assert json.loads(await typed("flows", "node-1", "-o", "json"))["verdict"] == "TRACKED"
        assert await typed("flows", "-p", "udp") == ""
        with pytest.raises(UsageError, match="add -f"):
            await typed("flows", "--verdict", "dropped")
    finally:
        await datapath.close()


@pytest.mark.asyncio
async def test_what_happens_is_said_until_the_last_datapath_ends(layout, capsys):
    asked, told = [], asyncio.Event()

    def opened(connection, params):
        asked.append(params)
        item = (5_000_000, "veth1", "in", FRAME, len(FRAME), DROP)
        connection.tell("conntrack_events", {"events": [{**ROW, "event": "NEW"}], "dropped": 2})
        connection.tell("packets", {"items": [item], "dropped": {}})
        told.set()

    datapath = await serve(
        layout.node("node-1") / "netlink.sock", conntrack_watch=None, capture_open=opened
    )
    log = flows._Log(layout, Selection(), as_json=False)

    async def end():
        await told.wait()
        await datapath.close()

    with pytest.raises(CommandFailed, match="no datapath is left"):
        await asyncio.gather(log.follow(("node-1",), with_drops=True), end())
    said = capsys.readouterr()
    new, dropped = said.out.splitlines()
    assert "NEW     TCP    default/a:4000" in new
    assert "DROPPED TCP    default/a:20 -> default/b:9 [SYN] network-policy" in dropped
    assert "2 of node-1 lost" in said.err
    assert asked == [{"interface": "any", "snaplen": 200, "dropped": True}]


def test_without_a_datapath_it_says_so(layout):
    done = CliRunner().invoke(root, ("flows", "-f"), standalone_mode=False)
    assert isinstance(done.exception, UsageError | CommandFailed)
