"""Probes through a real hostnet socket whose other side is a real small server."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from nodeagent.hostnet import HostNet
from nodeagent.kubelet.probe_actions import ProbeActions, ProbeError, Target
from nodeagent.kubelet.runtime import Runtime
from nodeagent.peer import Peer

CONTAINER = {"name": "main", "ports": [{"name": "http", "containerPort": 8080}]}
TARGET = Target(container_id="c", container=CONTAINER, pod_ip="10.244.1.5")


class SmallPod:
    """Listens as the datapath does and answers as a pod would."""

    def __init__(self, answer: bytes, code: str = "") -> None:
        self.answer, self.code = answer, code
        self.asked: list[object] = []
        self.request = b""
        self.open: list[asyncio.Event] = []

    async def serve(self, reader, writer) -> None:
        self.open.append(asyncio.Event())
        try:
            await self.converse(reader, writer)
        finally:
            writer.close()
            self.open[-1].set()

    async def converse(self, reader, writer) -> None:
        self.asked.append(json.loads(await reader.readline())["connect"])
        if self.code:
            writer.write(json.dumps({"error": "no", "code": self.code}).encode() + b"\n")
        else:
            writer.write(b'{"ok": true}\n')
            if self.answer:
                self.request = await reader.readuntil(b"\r\n\r\n")
                writer.write(self.answer)
            else:
                await reader.read()


@asynccontextmanager
async def probing(tmp_path, pod: SmallPod):
    path = tmp_path / "hostnet.sock"
    server = await asyncio.start_unix_server(pod.serve, str(path))
    try:
        yield ProbeActions(Runtime(Peer(tmp_path / "cri.sock", name="podruntime")), HostNet(path))
    finally:
        server.close()
        for ended in pod.open:
            await asyncio.wait_for(ended.wait(), 5)
        await asyncio.sleep(0)  # One turn of the loop lets closed transports go.


@pytest.mark.asyncio
async def test_http_success_is_any_2xx_or_3xx(tmp_path):
    for status in (b"200 OK", b"204 No Content", b"302 Found"):
        pod = SmallPod(b"HTTP/1.1 " + status + b"\r\n\r\n")
        async with probing(tmp_path, pod) as actions:
            headers = [{"name": "X-A", "value": "b"}]
            get = {"path": "/ok", "port": "http", "httpHeaders": headers}
            await actions.perform({"httpGet": get}, TARGET, 5)
        assert pod.asked == [["10.244.1.5", 8080]]
        assert pod.request.startswith(b"GET /ok HTTP/1.1\r\nHost: 10.244.1.5:8080\r\n")
        assert b"X-A: b" in pod.request


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (b"HTTP/1.1 500 Oh\r\n\r\n", "", "HTTP probe failed with statuscode: 500"),
        (b"garbage\r\n", "", 'Get "http://10.244.1.5:80/": malformed HTTP response'),
        (
            b"x",
            "ECONNREFUSED",
            'Get "http://10.244.1.5:80/": dial tcp 10.244.1.5:80: connect: connection refused',
        ),
    ],
)
async def test_http_failures_are_worded_as_upstreams(tmp_path, answer, code, message):
    async with probing(tmp_path, SmallPod(answer, code)) as actions:
        with pytest.raises(ProbeError) as raised:
            await actions.perform({"httpGet": {"port": 80}}, TARGET, 5)
    assert str(raised.value) == message


@pytest.mark.asyncio
async def test_a_pod_of_ipv6_is_probed_by_an_address_in_brackets(tmp_path):
    target = Target(container_id="c", container=CONTAINER, pod_ip="fd00::5")
    pod = SmallPod(b"HTTP/1.1 200 OK\r\n\r\n")
    async with probing(tmp_path, pod) as actions:
        await actions.perform({"httpGet": {"port": 80}}, target, 5)
    assert pod.asked == [["fd00::5", 80]]
    assert b"\r\nHost: [fd00::5]:80\r\n" in pod.request
    async with probing(tmp_path, SmallPod(b"", "ECONNREFUSED")) as actions:
        with pytest.raises(ProbeError) as raised:
            await actions.perform({"httpGet": {"port": 80}}, target, 5)
    refused = "dial tcp [fd00::5]:80: connect: connection refused"
    assert str(raised.value) == f'Get "http://[fd00::5]:80/": {refused}'


@pytest.mark.asyncio
async def test_silence_is_a_timeout(tmp_path):
    async with probing(tmp_path, SmallPod(b"")) as actions:
        with pytest.raises(ProbeError, match="context deadline exceeded"):
            await actions.perform({"httpGet": {"port": 80}}, TARGET, 0.05)


@pytest.mark.asyncio
async def test_tcp_socket(tmp_path):
    async with probing(tmp_path, SmallPod(b"")) as actions:
        await actions.perform({"tcpSocket": {"port": 80}}, TARGET, 5)
    async with probing(tmp_path, SmallPod(b"", "EHOSTUNREACH")) as actions:
        with pytest.raises(ProbeError, match="no route to host"):
            await actions.perform({"tcpSocket": {"port": 80}}, TARGET, 5)


@pytest.mark.asyncio
async def test_unknown_port_name_and_grpc_say_what_is_wrong(tmp_path):
    async with probing(tmp_path, SmallPod(b"")) as actions:
        with pytest.raises(ProbeError, match="couldn't find port: nope"):
            await actions.perform({"tcpSocket": {"port": "nope"}}, TARGET, 5)
        with pytest.raises(ProbeError, match="gRPC probes are not supported"):
            await actions.perform({"grpc": {"port": 1}}, TARGET, 5)


@pytest.mark.asyncio
async def test_exec_without_a_runtime_fails(tmp_path):
    async with probing(tmp_path, SmallPod(b"")) as actions:
        with pytest.raises(ProbeError, match="podruntime is not reachable"):
            await actions.perform({"exec": {"command": ["true"]}}, TARGET, 5)
