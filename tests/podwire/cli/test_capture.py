"""`podwire capture` as it is typed, against sockets that answer as datapaths do."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import click
import pytest

from componentbase.rpc import RpcError, Server
from podwire.cli import root
from podwire.cluster.layout import Cluster, Layout, UsageError

FRAME = bytes.fromhex("0a580af401050a57c0a840010800") + bytes(46)


class Datapath:
    """Tells *packets* to whoever captures, then what the test wants."""

    def __init__(self, layout, node, packets):
        self.path = layout.node(node) / "netlink.sock"
        self.packets, self.asked, self.connections = packets, [], []
        handlers = {"capture_open": self._open, "link_list": self._links}
        self.server = Server(self.path, handlers)

    async def _links(self, _connection, _params):
        return []

    async def _open(self, connection, params):
        if params["interface"] not in ("eth0", "any"):
            raise RpcError("InvalidArgument", f"no interface {params['interface']}")
        self.asked.append(params)
        self.connections.append(connection)
        if self.packets:
            connection.tell("packets", {"items": self.packets, "dropped": {"eth0": 2}})


def packet(at_ns, comment="slow path"):
    return [at_ns, "eth0", "out", FRAME, len(FRAME), comment]


@asynccontextmanager
async def running(tmp_path, monkeypatch, **packets):
    """Two nodes; *packets* are told by each."""
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    layout = Layout.of("podwire")
    layout.make_directories()
    layout.write_cluster(Cluster(name="podwire", block=1, nodes=2))
    datapaths = []
    for number in (1, 2):
        layout.node(f"node-{number}").mkdir(parents=True)
        datapath = Datapath(layout, f"node-{number}", packets.get(f"node_{number}", []))
        await datapath.server.start()
        datapaths.append(datapath)
    try:
        yield datapaths
    finally:
        for datapath in datapaths:
            await datapath.server.close()


async def capture(*words, stdout=subprocess.PIPE):
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "podwire", "capture", *words,
        stdout=stdout, stderr=subprocess.PIPE, env=os.environ,
    )  # fmt: skip


async def said(process):
    """Wait for the end; return the status, and the words on both streams."""
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    return process.returncode, out, err.decode()


def read(path: Path, *fields: str) -> list[list[str]]:
    chosen = [word for field in fields for word in ("-e", field)]
    command = ["tshark", "-r", str(path), "-T", "fields", *chosen]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split("\t") for line in text.splitlines()]


@pytest.mark.asyncio
async def test_nodes_are_merged_in_order_under_their_own_names(tmp_path, monkeypatch):
    told = {"node_1": [packet(10), packet(30)], "node_2": [packet(20, "dropped: ip-martian")]}
    async with running(tmp_path, monkeypatch, **told) as (one, two):
        file = tmp_path / "wire.pcapng"
        process = await capture("-w", str(file), "--count", "3", "--inner", "tcp", "port", "80")
        status, _, err = await said(process)
    assert (status, one.asked) == (0, two.asked)
    both = "tcp portrange 80-80 or (vxlan and (tcp portrange 80-80))"
    assert one.asked == [{"interface": "eth0", "snaplen": 65535, "filter": both}]
    assert "3 packets captured, 4 dropped: this reader was too slow" in err
    if shutil.which("tshark"):
        assert read(file, "frame.interface_name", "frame.comment") == [
            ["node-1/eth0", "slow path"],
            ["node-2/eth0", "dropped: ip-martian"],
            ["node-1/eth0", "slow path"],
        ]


@pytest.mark.asyncio
async def test_packets_reach_a_pipe_promptly_and_its_end_ends_the_capture(tmp_path, monkeypatch):
    async with running(tmp_path, monkeypatch, node_1=[packet(10)]) as (one, _):
        process = await capture("--node", "node-1")
        octets = b""
        async with asyncio.timeout(30):
            while FRAME not in octets:
                octets += await process.stdout.read(65536)
            one.connections[0].tell("packets", {"items": [packet(20)], "dropped": {}})
            while octets.count(FRAME) < 2:
                octets += await process.stdout.read(65536)
            process._transport.get_pipe_transport(1).close()
            err = (await process.stderr.read()).decode()
            await process.wait()
    assert process.returncode == 0
    assert "2 packets captured" in err
    assert "Traceback" not in err


@pytest.mark.asyncio
async def test_the_others_go_on_when_a_datapath_dies_and_the_last_one_ends_it(
    tmp_path, monkeypatch
):
    async with running(tmp_path, monkeypatch, node_2=[packet(10)]) as (one, two):
        file = tmp_path / "wire.pcapng"
        process = await capture("-w", str(file))
        async with asyncio.timeout(30):
            while not (one.connections and two.connections):
                await asyncio.sleep(0.01)
            await one.server.close()
            lines = [await process.stderr.readline() for _ in range(2)]
            two.connections[0].tell("packets", {"items": [packet(20)], "dropped": {}})
            while file.read_bytes().count(FRAME) < 2:
                await asyncio.sleep(0.01)
        await two.server.close()
        status, _, err = await said(process)
    assert b"the datapath of node-1 has ended: nothing more comes from node-1 eth0" in lines[1]
    assert status == 1
    assert err.splitlines()[-1].startswith("podwire: no datapath is left to capture at; 2 packets")
    if shutil.which("tshark"):
        assert len(read(file, "frame.len")) == 2


@pytest.mark.asyncio
async def test_ctrl_c_writes_what_there_is_and_the_statistics(tmp_path, monkeypatch):
    async with running(tmp_path, monkeypatch, node_1=[packet(10)]):
        file = tmp_path / "wire.pcapng"
        process = await capture("--node", "node-1", "-w", str(file))
        async with asyncio.timeout(30):
            assert b"capturing on node-1 eth0; Ctrl-C ends" in await process.stderr.readline()
        process.send_signal(signal.SIGINT)
        status, _, err = await said(process)
    assert status == 0
    assert "1 packets captured" in err
    assert b"\x05\x00\x08\x00" + (2).to_bytes(8, "little") in file.read_bytes()  # isb_ifdrop


@pytest.mark.asyncio
async def test_what_cannot_be_done_is_one_line(tmp_path, monkeypatch):
    wrong = [
        (["-i", "eth7", "-w", "x"], 2, "node-1: no interface eth7"),
        (["-w", str(tmp_path)], 2, "Is a directory; name another file with -w"),
        (["-w", "/dev/full"], 1, "/dev/full: No space left on device"),
    ]
    async with running(tmp_path, monkeypatch, node_1=[packet(10)]):
        monkeypatch.chdir(tmp_path)
        for words, status, complaint in wrong:
            ended, out, err = await said(await capture(*words))
            assert (ended, out) == (status, b""), words
            assert complaint in err.splitlines()[-1], words
            assert len(err.splitlines()) <= 2, words


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("--node node-9 -w x", "there is no node-9: the nodes are node-1 to node-2"),
        ("-w x tcp and prt 80", r"at 'prt' \(column 9\): unknown word; did you mean 'port'"),
        ("-w x -W 3", "-W counts the files that -C or -G make"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, monkeypatch, words, complaint):
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    layout = Layout.of("podwire")
    layout.make_directories()
    layout.write_cluster(Cluster(name="podwire", block=1, nodes=2))
    with pytest.raises(UsageError, match=complaint):
        root.main(["capture", *words.split()], standalone_mode=False)
    with pytest.raises(click.BadParameter, match="is no duration: write 10s"):
        root.main(["capture", "--duration", "soon"], standalone_mode=False)
