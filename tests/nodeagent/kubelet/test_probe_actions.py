"""Probes through a real hostnet socket whose other side is a real small server."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from componentbase.rpc import RpcError
from nodeagent.hostnet import HostNet
from nodeagent.kubelet.probe_actions import ProbeActions, ProbeError, ProbeUnknown, Target
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
        self.reads_requests = True

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
                if self.reads_requests:
                    self.request = await reader.readuntil(b"\r\n\r\n")
                else:
                    await reader.read(1)
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
async def test_http_success_is_any_2xx_and_a_redirect_elsewhere_is_a_warning(tmp_path):
    warning = "Probe terminated redirects, Response body: moved"
    for status, expected in (
        (b"200 OK", ""),
        (b"204 No Content", ""),
        (b"304 Not Modified", warning),
        (b"302 Found\r\nLocation: http://example.com/", warning),
    ):
        pod = SmallPod(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\nmoved")
        async with probing(tmp_path, pod) as actions:
            headers = [{"name": "X-A", "value": "b"}]
            get = {"path": "/ok", "port": "http", "httpHeaders": headers}
            assert await actions.probe({"httpGet": get}, TARGET, 5) == expected
        assert pod.asked == [["10.244.1.5", 8080]]
        assert pod.request.startswith(b"GET /ok HTTP/1.1\r\nHost: 10.244.1.5:8080\r\n")
        assert b"X-A: b" in pod.request


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ([], [b"User-Agent: kube-probe/1.32", b"Accept: */*"]),
        ([("user-agent", "x"), ("Accept", "y")], [b"user-agent: x", b"Accept: y"]),
        ([("User-Agent", ""), ("accept", "")], []),
        (
            [("A", "1"), ("A", "2")],
            [b"User-Agent: kube-probe/1.32", b"Accept: */*", b"A: 1", b"A: 2"],
        ),
    ],
)
async def test_headers_that_are_given_and_those_that_are_added(tmp_path, given, lines):
    """http_test.go TestHTTPProbeChecker, request_test.go: v1HeaderToHTTPHeader."""
    pod = SmallPod(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    headers = [{"name": name, "value": value} for name, value in given]
    async with probing(tmp_path, pod) as actions:
        await actions.probe({"httpGet": {"port": 80, "httpHeaders": headers}}, TARGET, 5)
    assert pod.request.split(b"\r\n")[2:-3] == lines


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("location", "host"),
    [(b"/next", b"example.com"), (b"http://10.244.1.5/next", b"10.244.1.5:80")],
)
async def test_a_given_host_goes_on_where_no_other_is_named(tmp_path, location, host):
    """http_test.go: TestHTTPProbeChecker_HostHeaderPreservedAfterRedirect."""
    pod = SmallPod(
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"
    )
    get = {"port": 80, "httpHeaders": [{"name": "host", "value": "example.com"}]}
    async with probing(tmp_path, pod) as actions:
        with pytest.raises(ProbeError, match="stopped after 10 redirects"):
            await actions.probe({"httpGet": get}, TARGET, 5)
    assert pod.request.startswith(b"GET /next HTTP/1.1\r\nHost: " + host + b"\r\n")


@pytest.mark.asyncio
async def test_redirects_at_the_same_host_are_followed_ten_times(tmp_path):
    head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: "
    pod = SmallPod(head + b"http://10.244.1.5:9090/there?x=1\r\n\r\n")
    async with probing(tmp_path, pod) as actions:
        with pytest.raises(ProbeError, match="stopped after 10 redirects"):
            await actions.probe({"httpGet": {"path": "/here", "port": 80}}, TARGET, 5)
    assert pod.asked == [["10.244.1.5", 80], *[["10.244.1.5", 9090]] * 9]
    assert pod.request.startswith(b"GET /there?x=1 HTTP/1.1\r\nHost: 10.244.1.5:9090\r\n")
    async with probing(tmp_path, SmallPod(head + b"ftp://10.244.1.5/\r\n\r\n")) as actions:
        with pytest.raises(ProbeError, match='unsupported protocol scheme "ftp"'):
            await actions.probe({"httpGet": {"port": 80}}, TARGET, 5)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (b"HTTP/1.1 500 Oh\r\n\r\n", "", "HTTP probe failed with statuscode: 500"),
        (
            b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20000,
            "",
            'Get "http://10.244.1.5:80/": '
            "net/http: server response headers exceeded 65536 bytes; aborted",
        ),
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
            await actions.probe({"httpGet": {"port": 80}}, TARGET, 5)
    assert str(raised.value) == message


@pytest.mark.asyncio
async def test_a_pod_of_ipv6_is_probed_by_an_address_in_brackets(tmp_path):
    target = Target(container_id="c", container=CONTAINER, pod_ip="fd00::5")
    pod = SmallPod(b"HTTP/1.1 200 OK\r\n\r\n")
    async with probing(tmp_path, pod) as actions:
        await actions.probe({"httpGet": {"port": 80}}, target, 5)
    assert pod.asked == [["fd00::5", 80]]
    assert b"\r\nHost: [fd00::5]:80\r\n" in pod.request
    async with probing(tmp_path, SmallPod(b"", "ECONNREFUSED")) as actions:
        with pytest.raises(ProbeError) as raised:
            await actions.probe({"httpGet": {"port": 80}}, target, 5)
    refused = "dial tcp [fd00::5]:80: connect: connection refused"
    assert str(raised.value) == f'Get "http://[fd00::5]:80/": {refused}'


@pytest.mark.asyncio
async def test_silence_is_a_timeout(tmp_path):
    async with probing(tmp_path, SmallPod(b"")) as actions:
        with pytest.raises(ProbeError, match="context deadline exceeded"):
            await actions.probe({"httpGet": {"port": 80}}, TARGET, 0.05)


@pytest.mark.asyncio
async def test_tcp_socket(tmp_path):
    async with probing(tmp_path, SmallPod(b"")) as actions:
        await actions.probe({"tcpSocket": {"port": 80}}, TARGET, 5)
    async with probing(tmp_path, SmallPod(b"", "EHOSTUNREACH")) as actions:
        with pytest.raises(ProbeError, match="no route to host"):
            await actions.probe({"tcpSocket": {"port": 80}}, TARGET, 5)


@pytest.mark.asyncio
async def test_what_cannot_be_asked_tells_nothing(tmp_path):
    async with probing(tmp_path, SmallPod(b"")) as actions:
        for port, words in (
            ("nope", 'strconv.Atoi: parsing "nope": invalid syntax'),
            ("0", "invalid port number: 0"),
            (70000, "invalid port number: 70000"),
        ):
            with pytest.raises(ProbeUnknown, match=re.escape(words)):
                await actions.probe({"tcpSocket": {"port": port}}, TARGET, 5)
        with pytest.raises(ProbeUnknown, match="podruntime is not reachable"):
            await actions.probe({"exec": {"command": ["true"]}}, TARGET, 5)


class FakeRuntime:
    """Ends every command as it was told."""

    def __init__(self, ending: tuple[int, str] | RpcError) -> None:
        self.ending = ending

    async def exec_sync(self, _container_id, _command, _timeout_s):
        if isinstance(self.ending, RpcError):
            raise self.ending
        return self.ending


def telling(ending: tuple[int, str] | RpcError) -> ProbeActions:
    return ProbeActions(FakeRuntime(ending), HostNet(Path("nowhere")))


@pytest.mark.asyncio
async def test_commands_succeed_fail_or_tell_nothing():
    """pkg/probe/exec TestExec: its rows, as our runtime has them."""
    action = {"exec": {"command": ["sh", "-c", "check"]}}
    assert await telling((0, "fine")).probe(action, TARGET, 1) == ""
    late = RpcError("DeadlineExceeded", "late")
    for ending, words in (
        ((1, "bad\n"), "bad\n"),
        ((1, ""), ""),
        ((1, "A" * 20_000), "A" * 10_240),
        (late, 'command timed out: "sh -c check" timed out after 1s'),
    ):
        with pytest.raises(ProbeError) as raised:
            await telling(ending).probe(action, TARGET, 1)
        assert str(raised.value) == words
    with pytest.raises(ProbeUnknown, match="rpc error: code = NotFound desc = no such program"):
        await telling(RpcError("NotFound", "no such program")).probe(action, TARGET, 1)


@pytest.mark.asyncio
async def test_of_a_hooks_http_any_answer_will_do_and_plain_http_is_fallen_back_to(tmp_path):
    """lifecycle/handlers_test.go: TestRunHandlerHttp, …HttpsFailureFallback."""
    pod = SmallPod(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")
    get = {"path": "/x", "port": 80, "scheme": "HTTPS"}
    get["httpHeaders"] = [{"name": "Authorization", "value": "secret"}, {"name": "A", "value": "b"}]
    async with probing(tmp_path, pod) as actions:
        assert await actions.hook({"httpGet": {**get, "scheme": "HTTP"}}, TARGET, 5) == ""
        assert b"Authorization: secret\r\n" in pod.request
        assert b"User-Agent: kube-lifecycle/1.32\r\n" in pod.request
        pod.answer, pod.reads_requests = b"HTTP/1.1 400 Bad Request\r\n\r\n", False
        warning = await actions.hook({"httpGet": get}, TARGET, 5)
        with pytest.raises(ProbeError, match="server gave HTTP response to HTTPS client"):
            await actions.probe({"httpGet": get}, TARGET, 5)
    assert warning == (
        "request to HTTPS lifecycle hook 10.244.1.5:80 got HTTP response, retry with HTTP succeeded"
    )
    async with probing(tmp_path, SmallPod(b"", "ECONNREFUSED")) as actions:
        with pytest.raises(ProbeError, match="connection refused"):
            await actions.hook({"httpGet": get}, TARGET, 5)


@pytest.mark.asyncio
async def test_a_hooks_command_says_how_it_ended():
    action = {"exec": {"command": ["sh", "-c", "x"]}}
    with pytest.raises(ProbeError) as raised:
        await telling((3, "no")).hook(action, TARGET, 1)
    assert str(raised.value) == "command 'sh -c x' exited with 3: no, message: \"no\""
    assert await telling((0, "no")).hook(action, TARGET, 1) == ""
    with pytest.raises(ProbeUnknown, match="invalid handler"):
        await telling((0, "")).hook({"tcpSocket": {"port": 1}}, TARGET, 1)
