"""ss, conntrack and counters as they are typed, against sockets that answer as ours do."""

from __future__ import annotations

import asyncio
import functools
import json

import pytest
from click.testing import CliRunner

from componentbase.rpc import RpcError, Server
from podwire.cli import CommandFailed, root, stacks
from podwire.cluster.layout import Cluster, Layout, UsageError

UID = "5b2c7f6e-0000-0000-0000-000000000001"
POD = {
    "metadata": {"name": "web", "namespace": "default", "uid": UID},
    "spec": {"nodeName": "node-1"},
}
LISTENER = {"protocol": "tcp", "state": "LISTEN", "recv_q": 0, "send_q": 128, "local": "*:80",
            "remote": "*:*"}  # fmt: skip
DATAGRAM = {**LISTENER, "protocol": "udp", "state": "UNCONN", "send_q": 0, "local": "*:53"}
ENDS = {"source": "10.244.1.5", "source_port": 4000, "destination": "10.96.0.10",
        "destination_port": 80}  # fmt: skip
FLOW = {"protocol": "TCP", "state": "ESTABLISHED", "timeout_s": 9, "original": ENDS, "reply": ENDS,
        "assured": True, "unreplied": False}  # fmt: skip


@pytest.fixture
def layout(tmp_path, monkeypatch):
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    layout = Layout.of("podwire")
    layout.make_directories()
    layout.write_cluster(Cluster(name="podwire", block=1, nodes=1))
    (layout.node("node-1") / "pods" / "abc").mkdir(parents=True)
    return layout


async def serve(path, **answers):
    """Answer every method with a value, or with what a function of its parameters returns."""

    def handler(answer):
        async def handle(connection, params):
            return answer(connection, params) if callable(answer) else answer

        return handle

    server = Server(path, {name: handler(answer) for name, answer in answers.items()})
    await server.start()
    return server


async def typed(*words):
    """Return what a command prints; raise what it raises."""
    result = await asyncio.to_thread(CliRunner().invoke, root, words, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.mark.asyncio
async def test_a_pod_is_asked_for_its_sockets(layout, monkeypatch):
    monkeypatch.setattr(stacks, "find_pod", lambda _paths, _name: POD)
    node = layout.node("node-1")
    sandboxes = [
        {"id": "old", "metadata": {"uid": UID}, "state": "SANDBOX_NOTREADY"},
        {"id": "abc", "metadata": {"uid": UID}, "state": "SANDBOX_READY"},
    ]
    runtime = await serve(node / "cri.sock", ListPodSandbox=sandboxes)
    pod = await serve(node / "pods" / "abc" / "control.sock", sockets=[LISTENER, DATAGRAM])
    try:
        assert (await typed("ss", "--pod", "web")).splitlines() == [
            "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port",
            "tcp   LISTEN 0      128                *:80              *:*",
            "udp   UNCONN 0      0                  *:53              *:*",
        ]
        assert json.loads(await typed("ss", "--pod", "web", "-u", "-o", "json")) == [DATAGRAM]
        await pod.close()
        with pytest.raises(CommandFailed, match="web does not answer"):
            await typed("ss", "--pod", "web")
        sandboxes.pop()
        with pytest.raises(CommandFailed, match="pod web does not run on node-1"):
            await typed("ss", "--pod", "web")
    finally:
        await runtime.close()
    with pytest.raises(UsageError, match="name a node, or a pod"):
        await typed("ss")


@pytest.mark.asyncio
async def test_connections_are_listed_counted_and_deleted(layout):
    asked, alive = [], [0, 1]
    datapath = await serve(
        layout.node("node-1") / "netlink.sock",
        conntrack_list=[FLOW, {**FLOW, "protocol": "UDP", "state": ""}],
        conntrack_delete=lambda _connection, params: asked.append(params) or [FLOW][: alive.pop()],
    )
    try:
        listed = (await typed("conntrack", "node-1", "-p", "tcp")).splitlines()
        assert len(listed) == 1
        assert listed[0].startswith("tcp      6 9 ESTABLISHED src=10.244.1.5 dst=10.96.0.10")
        assert await typed("conntrack", "node-1", "-C") == "2\n"
        assert json.loads(await typed("conntrack", "node-1", "-o", "json"))[0] == FLOW
        words = ("conntrack", "node-1", "-D", "-s", "10.244.1.5", "--sport", "4000", "-p", "tcp")
        assert (await typed(*words)).splitlines() == listed
        assert asked == [{"flows": [{"protocol": "TCP", **ENDS}]}]
        with pytest.raises(SystemExit):  # As conntrack's: nothing was there.
            await typed(*words)
        for words, complaint in (
            (["-D"], "-D forgets what is selected"),
            (["-p", "udp", "--state", "CLOSE"], "--state is TCP's"),
            (["-E", "-C"], "choose one of -E, -C and -D"),
            (["-s", "web"], "'web' is no address"),
            (["--timestamps"], "add -E"),
        ):
            with pytest.raises(UsageError, match=complaint):
                await typed("conntrack", "node-1", *words)
    finally:
        await datapath.close()


@pytest.mark.asyncio
async def test_events_are_followed_until_the_datapath_ends(layout):
    told = {"event": "NEW", "at_ns": 1, **FLOW}
    hearing = asyncio.Event()

    def watch(connection, _params):
        connection.tell("conntrack_events", {"events": [told], "dropped": 0})
        hearing.set()

    datapath = await serve(layout.node("node-1") / "netlink.sock", conntrack_watch=watch)
    command = ["conntrack", "node-1", "-E", "-p", "tcp"]
    invoke = functools.partial(CliRunner().invoke, root, command, standalone_mode=False)
    runner = asyncio.get_running_loop().run_in_executor(None, invoke)
    async with asyncio.timeout(10):
        await hearing.wait()
        await datapath.close()
        result = await runner
    assert result.stdout.startswith("    [NEW] tcp      6 9 ESTABLISHED src=10.244.1.5")
    assert isinstance(result.exception, CommandFailed)
    assert "the datapath of node-1 has ended" in str(result.exception)


@pytest.mark.asyncio
async def test_counters_say_what_drops_mean(layout):
    link = {"name": "veth1", "kind": "veth", "drops": {"full-ring": 3}, "rx_packets": 1,
            "rx_octets": 2, "tx_packets": 3, "tx_octets": 4}  # fmt: skip
    counted = {
        "drops": {},
        "stack_drops": {},
        "outside_drops": {},
        "conntrack": 0,
        "flows": 0,
        "policies": {},
    }
    node = layout.node("node-1")
    datapath = await serve(node / "netlink.sock", link_list=[link], counters=counted)
    try:
        said = (await typed("counters", "node-1")).splitlines()
        assert "  drop full-ring                          3" in said
        assert "      the pod does not take its packets fast enough: it is busy or stopped" in said
        rows = json.loads(await typed("counters", "node-1", "-o", "json"))
        assert {row["counter"] for row in rows} >= {"rx_packets", "full-ring", "conntrack"}
    finally:
        await datapath.close()


@pytest.mark.asyncio
async def test_a_node_that_is_not_there_or_refuses_is_one_line(layout):
    for command in ("ss", "conntrack", "counters", "routes", "services", "links"):
        with pytest.raises(UsageError, match="there is no node-7: the nodes are node-1"):
            await typed(command, "node-7")

    def refuse(_connection, _params):
        raise RpcError("Unimplemented", "no method")

    datapath = await serve(layout.node("node-1") / "netlink.sock", socket_list=refuse)
    try:
        with pytest.raises(CommandFailed, match="node-1: no method"):
            await typed("ss", "node-1")
    finally:
        await datapath.close()
