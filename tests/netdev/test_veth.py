"""Both ends of a veth, over a real socket."""

from __future__ import annotations

import asyncio
import socket

import msgpack
import pytest

from netdev import veth_server
from netdev.framing import PARTIAL, encode_batch, split_batch, split_offloaded
from netdev.veth import VethClient, VethDrop
from netdev.veth_server import VethServer
from netstack.offload import SuperFrame


class Datapath:
    """Takes every pod and answers each frame with the same in capitals."""

    def __init__(self, path, known=("veth0",), *, offload=False):
        self.known, self.sockets, self.frames = list(known), [], []
        self.offload, self.asked, self.words = offload, [], []
        self.arrived = asyncio.Event()
        self.server = VethServer(path, self._hello)
        self.server.start()

    def _hello(self, interface, veth, offload):
        if interface not in self.known:
            return f"no link {interface}"
        self.asked.append(offload)
        veth_server.accept(veth, offload=self.offload)
        self.sockets.append(veth)
        asyncio.get_running_loop().add_reader(veth, self._readable, veth)
        return ""

    def _readable(self, veth):
        message = veth.recv(65536)
        if not message:
            asyncio.get_running_loop().remove_reader(veth)
            veth.close()
            return
        if self.offload:
            split, word = split_offloaded(memoryview(message))
            self.frames += [bytes(frame) for frame in split]
            self.words.append(word)
            self.arrived.set()
            veth.send(message)
            return
        frames = [bytes(frame) for frame in split_batch(memoryview(message))]
        self.frames += frames
        self.arrived.set()
        for answer in encode_batch([frame.upper() for frame in frames]):
            veth.send(answer)

    def close(self):
        self.server.close()
        for veth in self.sockets:
            asyncio.get_running_loop().remove_reader(veth)
            veth.close()


class Pod:
    def __init__(self, path, interface="veth0", *, offload=False):
        self.frames, self.got, self.up = [], asyncio.Event(), asyncio.Event()
        self.partial = []
        self.client = VethClient(path, interface, self._frames, on_up=self.up.set, offload=offload)
        self.client.start()

    def _frames(self, frames, partial):
        self.frames += [bytes(frame) for frame in frames]
        self.partial.append(partial)
        self.got.set()

    async def wait(self, event):
        async with asyncio.timeout(5):
            await event.wait()
        event.clear()


@pytest.mark.asyncio
async def test_frames_cross_in_batches_both_ways(tmp_path):
    datapath, pod = Datapath(tmp_path / "veth.sock"), Pod(tmp_path / "veth.sock")
    await pod.wait(pod.up)
    pod.client.send([b"abc", b"def", b"gh"])
    await pod.wait(pod.got)
    assert pod.frames == [b"ABC", b"DEF", b"GH"]
    assert (pod.client.tx_packets, pod.client.rx_packets) == (3, 3)
    pod.client.close()
    datapath.close()


def super_frame(octets, segment):
    frame = SuperFrame(octets)
    frame.segment = segment
    return frame


@pytest.mark.asyncio
async def test_super_frames_cross_alone_where_offload_is_agreed(tmp_path):
    datapath = Datapath(tmp_path / "veth.sock", offload=True)
    pod = Pod(tmp_path / "veth.sock", offload=True)
    await pod.wait(pod.up)
    assert pod.client.offload
    long = super_frame(bytes(60_000), 1398)
    pod.client.send([b"abc", b"def", long, b"gh"])
    while len(pod.frames) < 4:
        await pod.wait(pod.got)
    assert pod.frames == datapath.frames == [b"abc", b"def", bytes(long), b"gh"]
    assert datapath.words == [PARTIAL, PARTIAL | 1398, PARTIAL]
    assert pod.partial == [True, True, True]
    assert (pod.client.tx_packets, pod.client.rx_packets) == (4, 4)
    pod.client.close()
    datapath.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(("asks", "answers"), [(True, False), (False, True), (False, False)])
async def test_offload_needs_both(tmp_path, asks, answers):
    datapath, path = Datapath(tmp_path / "veth.sock"), tmp_path / "veth.sock"
    pod = Pod(path, offload=asks)
    if answers:  # To one who has not asked.
        pod.client._hello_answered(msgpack.packb({"ok": True, "offload": True}))
    await pod.wait(pod.up)
    assert not pod.client.offload
    assert not answers or datapath.asked in ([], [False])
    pod.client.send([b"abc"])
    await pod.wait(pod.got)
    assert (datapath.frames, pod.partial) == ([b"abc"], [False])
    pod.client.close()
    datapath.close()


@pytest.mark.asyncio
async def test_a_message_that_lies_about_offload_is_counted(tmp_path):
    datapath = Datapath(tmp_path / "veth.sock", offload=True)
    pod = Pod(tmp_path / "veth.sock", offload=True)
    await pod.wait(pod.up)
    datapath.sockets[0].send(b"\x00\x02\x85\x00abcd")  # Two frames, one of them super.
    datapath.sockets[0].send(b"\x00\x04\x80\x00abcd")
    await pod.wait(pod.got)
    assert (pod.frames, pod.client.drops) == ([b"abcd"], {VethDrop.MALFORMED: 1})
    pod.client.close()
    datapath.close()


@pytest.mark.asyncio
async def test_a_pod_waits_for_its_link_and_for_the_datapath(tmp_path):
    pod = Pod(tmp_path / "veth.sock")
    pod.client.send([b"early"])
    assert pod.client.drops == {VethDrop.DISCONNECTED: 1}
    datapath = Datapath(tmp_path / "veth.sock", known=())
    await asyncio.sleep(0)
    datapath.known.append("veth0")
    await pod.wait(pod.up)
    pod.client.close()
    datapath.close()


@pytest.mark.asyncio
async def test_a_pod_connects_again_when_the_datapath_has_restarted(tmp_path):
    first, pod = Datapath(tmp_path / "veth.sock"), Pod(tmp_path / "veth.sock")
    await pod.wait(pod.up)
    first.close()
    second = Datapath(tmp_path / "veth.sock")
    await pod.wait(pod.up)
    pod.client.send([b"again"])
    await pod.wait(pod.got)
    assert second.frames == [b"again"]
    pod.client.close()
    second.close()


@pytest.mark.asyncio
async def test_a_full_ring_drops_and_counts(tmp_path):
    datapath, pod = Datapath(tmp_path / "veth.sock"), Pod(tmp_path / "veth.sock")
    await pod.wait(pod.up)
    for veth in datapath.sockets:
        asyncio.get_running_loop().remove_reader(veth)  # Nobody reads.
    for _ in range(200):
        pod.client.send([bytes(60_000)])
    assert pod.client.drops[VethDrop.RING_FULL] > 0
    assert pod.client.connected
    pod.client.close()
    datapath.close()


@pytest.mark.asyncio
async def test_a_stranger_is_hung_up_on(tmp_path):
    datapath = Datapath(tmp_path / "veth.sock")
    loop = asyncio.get_running_loop()
    for hello in (b"\xc1", msgpack.packb([1]), msgpack.packb({"interface": 5})):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
            stranger.setblocking(False)
            stranger.connect(str(tmp_path / "veth.sock"))
            stranger.send(hello)
            async with asyncio.timeout(5):
                assert await loop.sock_recv(stranger, 100) == b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
        stranger.setblocking(False)
        stranger.connect(str(tmp_path / "veth.sock"))
        stranger.send(msgpack.packb({"interface": "other"}))
        async with asyncio.timeout(5):
            answer = msgpack.unpackb(await loop.sock_recv(stranger, 100))
        assert answer == {"error": "no link other"}
    datapath.close()
