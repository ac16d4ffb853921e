"""exec, attach, port-forward and proxies: real clients, the API server and a kubelet's routes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from .stream_node import StreamNode
from .streams.spdy_client import Frames

NAMESPACE = "/api/v1/namespaces/default"
EXEC = f"{NAMESPACE}/pods/p/exec?container=c&stdin=1&stdout=1&stderr=1"


@pytest.fixture(scope="module")
def node(authority, tmp_path_factory) -> Iterator[StreamNode]:
    made = StreamNode(authority, tmp_path_factory.mktemp("node"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def streamed(server, node):
    """The server, with a node and a pod on it."""
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": node.port}},
    }
    named = {"metadata": {"name": "streams"}}
    assert server.request("POST", "/api/v1/nodes", {**named, "status": status}).code == 201
    assert (
        server.request("PUT", "/api/v1/nodes/streams/status", {**named, "status": status}).code
        == 200
    )
    ports = [{"containerPort": node.web_port}]
    containers = [{"name": "c", "image": "i", "ports": ports}, {"name": "dead", "image": "i"}]
    pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "streams", "containers": containers}}
    assert server.request("POST", f"{NAMESPACE}/pods", pod).code == 201
    running = [{"name": "c", "state": {"running": {}}, "ready": True}]
    pod["status"] = {"phase": "Running", "podIP": "10.244.0.9", "containerStatuses": running}
    assert server.request("PUT", f"{NAMESPACE}/pods/p/status", pod).code == 200
    yield server
    server.request("DELETE", f"{NAMESPACE}/pods/p?gracePeriodSeconds=0")
    server.request("DELETE", "/api/v1/nodes/streams")


# --- kubectl


def kubectl_of(version: str) -> str:
    """Return a client's path; those of other versions lie beside the one on the path."""
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("kubectl is not installed")
    path = Path(os.path.realpath(found)).with_name(f"kubectl.{version}") if version else Path(found)
    if not path.exists():
        pytest.skip(f"kubectl {version} is not installed")
    return str(path)


@pytest.fixture
def kubectl(streamed, tmp_path):
    def run(*words: str, version: str = "", text: str = "", **environment: str):
        return subprocess.run(
            [kubectl_of(version), *words],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            env={
                **os.environ,
                "KUBECONFIG": str(streamed.kubeconfig()),
                "HOME": str(tmp_path),
                **environment,
            },
        )

    return run


SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}


@pytest.mark.parametrize(
    "version", ["", "1.29", "1.31", "1.33"], ids=["own", "1.29", "1.31", "1.33"]
)
def test_kubectl_execs(kubectl, version):
    failed = kubectl("exec", "p", "-c", "c", "--", "fail", version=version)
    assert (failed.returncode, failed.stdout) == (7, "out\n")
    assert failed.stderr == "err\ncommand terminated with exit code 7\n"
    said = kubectl("exec", "-i", "p", "-c", "c", "--", "cat", text="hello\n", version=version)
    assert (said.returncode, said.stdout) == (0, "hello\n")


def test_kubectl_execs_by_spdy(kubectl, node):
    text = "x" * 300_000
    said = kubectl("exec", "-i", "p", "-c", "c", "--", "cat", text=text, **SPDY)
    assert (said.returncode, said.stdout == text) == (0, True), said.stderr
    assert kubectl("exec", "p", "-c", "c", "--", "fail", **SPDY).returncode == 7
    attached = kubectl("attach", "-i", "p", "-c", "c", text="hi", **SPDY)
    assert attached.stdout.endswith("hi"), attached.stderr
    asked = node.pod.asked[-1]["attach_stream"]
    assert asked == {"container_id": "c", "stdin": True, "stdout": True, "stderr": True}


@pytest.mark.parametrize("environment", [{}, SPDY], ids=["websocket", "spdy"])
def test_refusals_are_told(kubectl, environment):
    cannot = kubectl("exec", "p", "-c", "c", "--", "refused", **environment)
    assert cannot.returncode == 1
    assert "error executing command in container: it cannot be done" in cannot.stderr
    dead = kubectl("exec", "p", "-c", "dead", "--", "cat", **environment)
    assert (dead.returncode, 'container not found ("dead")' in dead.stderr) == (1, True)


# --- WebSockets by hand


@contextlib.asynccontextmanager
async def connected(server, path: str, *protocols: str):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=server.tls())) as session:
        async with session.ws_connect(server.url + path, protocols=protocols) as ws:
            kernel = ws.get_extra_info("socket")
            yield ws
        async with asyncio.timeout(10):
            while kernel is not None and kernel.fileno() >= 0:  # TLS says good-bye first.
                await asyncio.sleep(0.01)


async def all_of(ws) -> dict[int, bytes]:
    """Return what comes on each channel until the end."""
    heard: dict[int, bytes] = {}
    async for message in ws:
        if message.type is aiohttp.WSMsgType.TEXT:
            channel, octets = int(message.data[0]), base64.b64decode(message.data[1:])
        else:
            channel, octets = message.data[0], message.data[1:]
        heard[channel] = heard.get(channel, b"") + octets
    return heard


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("protocol", "status"),
    [
        ("v5.channel.k8s.io", "json"),
        ("v4.channel.k8s.io", "json"),
        ("v4.base64.channel.k8s.io", "json"),
        ("channel.k8s.io", "text"),
        ("base64.channel.k8s.io", "text"),
    ],
)
async def test_every_form_of_channels(streamed, protocol, status):
    async with connected(streamed, f"{EXEC}&command=fail", "unknown", protocol) as ws:
        assert ws.protocol == protocol
        heard = await all_of(ws)
    assert (heard[1], heard[2]) == (b"out\n", b"err\n")
    if status == "json":
        assert json.loads(heard[3])["details"]["causes"][0]["message"] == "7"
    else:
        assert heard[3] == b"command terminated with non-zero exit code: 7"


@pytest.mark.asyncio
async def test_terminal_is_resized(streamed, node):
    path = f"{EXEC}&command=size&tty=1"
    async with connected(streamed, path, "v5.channel.k8s.io") as ws:
        await ws.send_bytes(b'\x04{"Width": 100, "Height": 30}')
        heard = await all_of(ws)
    assert (heard[1], json.loads(heard[3])["status"]) == (
        b'{"Width": 100, "Height": 30}',
        "Success",
    )
    asked = node.pod.asked[-1]["exec_stream"]
    assert (asked["tty"], asked["stderr"], asked["stdin"]) == (True, False, True)


@pytest.mark.asyncio
async def test_client_that_goes_ends_the_program(streamed, node):
    node.pod.left.clear()
    async with connected(streamed, f"{EXEC}&command=hang", "v5.channel.k8s.io") as ws:
        await ws.receive()
    assert await asyncio.to_thread(node.pod.left.wait, 10)


@pytest.mark.asyncio
async def test_reader_that_does_not_read_is_waited_for(streamed, node):
    """The program writes until the buffers between are full, and is ended with its client."""
    node.pod.left.clear()
    async with connected(streamed, f"{EXEC}&command=flood", "v5.channel.k8s.io") as ws:
        await ws.receive()
        await asyncio.sleep(0)
        assert not node.pod.left.is_set()
    assert await asyncio.to_thread(node.pod.left.wait, 10)


@pytest.mark.parametrize(
    ("path", "headers", "code", "said"),
    [
        ("exec?command=ls&container=c", {}, 400, "Upgrade request required"),
        ("exec?container=c", {}, 400, "at least one command"),
        ("exec?command=ls", {}, 400, "a container name must be specified for pod p"),
        ("exec?command=ls&container=x", {}, 400, "container x is not valid for pod p"),
        ("exec?command=ls&container=c&stdout=0&stderr=0", {}, 400, "at least 1 of stdin"),
        (
            "exec?command=ls&container=c",
            {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Protocol": "v9"},
            403,
            "unable to negotiate protocol",
        ),
        (
            "exec?command=ls&container=c",
            {"Upgrade": "SPDY/3.1", "Connection": "Upgrade", "X-Stream-Protocol-Version": "v9"},
            403,
            "unable to negotiate protocol",
        ),
        ("portforward", {"Upgrade": "SPDY/3.1", "Connection": "Upgrade"}, 403, "negotiate"),
        ("portforward?ports=0", {"Upgrade": "websocket", "Connection": "Upgrade"}, 400, "port"),
    ],
)
def test_what_makes_no_sense_is_refused(streamed, path, headers, code, said):
    reply = streamed.request("GET", f"{NAMESPACE}/pods/p/{path}", headers=headers)
    assert (reply.code, said in reply.json["message"]) == (code, True), reply.json


def test_streams_need_their_rights(streamed):
    for path in ("pods/p/exec?command=ls", "pods/p/portforward", "pods/p/proxy/"):
        assert streamed.request("GET", f"{NAMESPACE}/{path}", user="nobody").code == 403
    assert streamed.request("POST", f"{NAMESPACE}/pods/none/exec?command=ls").code == 404


# --- port-forward


@pytest.mark.asyncio
async def test_ports_are_forwarded_by_channels(streamed):
    path = f"{NAMESPACE}/pods/p/portforward?ports=80,81"
    async with connected(streamed, path, "v4.channel.k8s.io") as ws:
        first = [await ws.receive_bytes() for _ in range(4)]
        assert first == [b"\x00\x50\x00", b"\x01\x50\x00", b"\x02\x51\x00", b"\x03\x51\x00"]
        refused = await ws.receive_bytes()
    assert refused[:1] == b"\x03"
    assert b"error forwarding port 81 to pod p, uid" in refused


class Spdy:
    """A client of SPDY over a wire."""

    def __init__(self, read, send) -> None:
        self._read, self.send, self.frames = read, send, Frames()
        self.heard: dict[int, bytes] = {}
        self.ended: set[int] = set()

    async def until(self, *streams: int) -> None:
        """Read until these streams have ended."""
        async with asyncio.timeout(10):
            while not set(streams) <= self.ended:
                for said in self.frames.read(await self._read()):
                    if said[0] == "data":
                        self.heard[said[1]] = self.heard.get(said[1], b"") + said[2]
                    if said[0] == "reset" or (said[0] == "data" and said[3]):
                        self.ended.add(said[1])

    async def connect(self, stream: int, port: int, octets: bytes) -> None:
        """Open a pair of streams, and say all that there is to say."""
        headers = {"port": str(port), "requestid": str(stream)}
        frames = self.frames
        await self.send(
            frames.open(stream, {**headers, "streamtype": "error"}, fin=True)
            + frames.open(stream + 2, {**headers, "streamtype": "data"})
            + frames.data(stream + 2, octets, fin=True)
        )


@pytest.mark.asyncio
async def test_ports_are_forwarded_by_a_tunnel(streamed):
    path, protocol = f"{NAMESPACE}/pods/p/portforward", "SPDY/3.1+portforward.k8s.io"
    async with connected(streamed, path, protocol) as ws:
        assert ws.protocol == protocol
        client = Spdy(ws.receive_bytes, ws.send_bytes)
        await client.connect(1, 80, b"one" * 50_000)
        await client.connect(5, 80, b"two")
        await client.connect(9, 81, b"never")
        await client.until(1, 3, 5, 7, 9)
    assert client.heard[3] == b"ONE" * 50_000, "with half-close: all is heard before the answer"
    assert (client.heard[7], client.heard[1]) == (b"TWO", b"")
    assert b"it cannot be done" in client.heard[9]


@pytest.mark.parametrize("environment", [{}, SPDY], ids=["websocket", "spdy"])
def test_kubectl_forwards_ports(streamed, tmp_path, environment):
    command = [kubectl_of(""), "port-forward", "pod/p", ":80", "--address", "127.0.0.1"]
    config = {"KUBECONFIG": str(streamed.kubeconfig()), "HOME": str(tmp_path), **environment}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, **config}, text=True
    ) as running:
        try:
            port = int(running.stdout.readline().split(" ->")[0].rpartition(":")[2])
            for text in (b"one", b"two"):
                with socket.create_connection(("127.0.0.1", port), 10) as connection:
                    connection.sendall(text)
                    connection.shutdown(socket.SHUT_WR)
                    assert connection.makefile("rb").read() == text.upper()
        finally:
            running.terminate()


# --- proxies


def test_requests_are_handed_on(streamed, node):
    path = f"{NAMESPACE}/pods/p/proxy/a%2Fb?x=1&watch=true"
    sent = {"X-Mine": "1", "Authorization": "Bearer secret"}
    reply = streamed.request("PUT", path, b"body", headers={**sent, "Accept": "text/html"})
    assert (reply.code, reply.body, reply.headers["X-Own"]) == (418, b"body", "1")
    method, raw, headers, body = node.seen[-1]
    assert (method, raw, body) == ("PUT", "/a%2Fb?x=1&watch=true", b"body")
    assert (headers["X-Mine"], headers["X-Forwarded-Proto"]) == ("1", "https")
    assert not [name for name in headers if name.startswith(("Authorization", "Impersonate"))]


def test_pages_and_redirects_stay_in_the_proxy(streamed):
    prefix = f"{NAMESPACE}/pods/http:p:/proxy"
    assert streamed.request("GET", f"{prefix}/page").body == f'<a href="{prefix}/next">'.encode()
    moved = streamed.request("GET", f"{prefix}/moved")
    assert (moved.code, moved.headers["Location"]) == (302, f"{prefix}/page?x=1")
    bare = streamed.request("GET", f"{prefix}?q=1")
    assert (bare.code, bare.headers["Location"]) == (301, f"{prefix}/?q=1")


def test_services_and_nodes_are_reached(streamed, node):
    spec = {"ports": [{"name": "http", "port": 80}]}
    service = {"metadata": {"name": "web"}, "spec": spec}
    assert streamed.request("POST", f"{NAMESPACE}/services", service).code == 201
    proxied = f"{NAMESPACE}/services/http:web:80/proxy/x"
    nobody = streamed.request("GET", proxied)
    assert (nobody.code, nobody.json["message"]) == (
        503,
        'no endpoints available for service "web"',
    )
    piece = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": node.web_port}],
        "endpoints": [{"addresses": ["10.244.0.9"], "nodeName": "streams"}],
    }
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    assert streamed.request("POST", slices, piece).code == 201
    assert streamed.request("GET", proxied).code == 418
    assert streamed.request("GET", f"{NAMESPACE}/services/web:81/proxy/").code == 503
    assert streamed.request("GET", "/api/v1/nodes/streams/proxy/healthz").code == 418
    assert node.seen[-1][1] == "/healthz"
    streamed.request("DELETE", f"{NAMESPACE}/services/web")


def test_endpoint_that_refuses_is_unavailable(streamed):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        reply = streamed.request("GET", f"{NAMESPACE}/pods/p:{port}/proxy/")
    assert (reply.code, reply.json["reason"]) == (503, "ServiceUnavailable")
    assert reply.json["message"].startswith("error trying to reach service: ")


@pytest.mark.asyncio
async def test_upgrades_go_through_the_proxy(streamed):
    async with connected(streamed, f"{NAMESPACE}/pods/p/proxy/socket") as ws:
        await ws.send_str("hello")
        assert await ws.receive_str() == "HELLO"


# --- the Python client


@pytest.fixture
def core(streamed):
    client = pytest.importorskip("kubernetes.client")
    config = pytest.importorskip("kubernetes.config")
    with config.new_client_from_config(str(streamed.kubeconfig())) as made:
        yield client.CoreV1Api(made)


def test_python_client_execs(core):
    streams = pytest.importorskip("kubernetes.stream")
    wanted = {"container": "c", "stderr": True, "stdin": True, "stdout": True, "tty": False}
    running = streams.stream(
        core.connect_get_namespaced_pod_exec,
        "p", "default", command=["fail"], _preload_content=False, **wanted,
    )  # fmt: skip
    running.run_forever(timeout=10)
    assert (running.read_stdout(), running.read_stderr()) == ("out\n", "err\n")
    assert running.returncode == 7
    running.close()
    running.sock.shutdown()
    running = streams.stream(
        core.connect_get_namespaced_pod_exec,
        "p", "default", command=["cat"], _preload_content=False, **wanted,
    )  # fmt: skip
    running.write_stdin("typed as text\n")
    assert running.readline_stdout(timeout=10) == "typed as text"
    running.close()
    running.sock.shutdown()
