"""stream.sock of real pods: programs with streams, attachments, forwarded ports."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
import pytest_asyncio

from componentbase import channels
from componentbase.unix import socket_path

from . import programs
from .node import Node

EVERYTHING = {"stdin": True, "stdout": True, "stderr": True}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory):
    async with Node(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pod(node):
    """A pod of busybox: its id, and its container's."""
    sandbox = await node.run_pod(2)
    return sandbox, await node.run(sandbox, "busybox", command=["sleep", "1000"])


class Peer:
    """Who is connected to a pod's stream.sock."""

    def __init__(self, reader, writer) -> None:
        self.reader, self._writer = reader, writer
        self.heard: dict[int, bytes] = {}

    def say(self, channel: int, octets: bytes) -> None:
        self._writer.write(channels.frames(channel, octets))

    def type(self, text: str) -> None:
        self.say(channels.STDIN, text.encode())

    def end_input(self) -> None:
        self.say(channels.CLOSE, bytes([channels.STDIN]))

    async def hear(self) -> bool:
        """Take one frame; False is the end."""
        came = await channels.read_frame(self.reader)
        if came is not None:
            self.heard[came[0]] = self.heard.get(came[0], b"") + came[1]
        return came is not None

    async def until(self, mark: str, channel: int = channels.STDOUT) -> None:
        """Hear until *mark* was said."""
        async with asyncio.timeout(10):
            while mark.encode() not in self.heard.get(channel, b""):
                assert await self.hear(), self.heard

    async def end(self) -> tuple[str, str, int]:
        """Hear all; return stdout, stderr, exit status."""
        async with asyncio.timeout(10):
            while await self.hear():
                pass
        status = json.loads(self.heard[channels.ERROR])
        code = 0 if status["status"] == "Success" else status["details"]["causes"][0]["message"]
        out, error = (self.heard.get(c, b"").decode() for c in (1, 2))
        return out, error, int(code)


@contextlib.asynccontextmanager
async def asking(node, sandbox: str, request: object):
    """Connect and ask; yield the answer's line and the peer."""
    octets = request if isinstance(request, bytes) else json.dumps(request).encode() + b"\n"
    with socket_path(node.directory / "pods" / sandbox / "stream.sock") as address:
        reader, writer = await asyncio.open_unix_connection(address)
    try:
        writer.write(octets)
        yield json.loads(await reader.readline() or b"null"), Peer(reader, writer), writer
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def executing(node, pod, *command: str, **wanted: bool):
    asked = {"container_id": pod[1], "cmd": command, **EVERYTHING, **wanted}
    async with asking(node, pod[0], {"exec_stream": asked}) as (answer, peer, _):
        assert answer == {"ok": True}
        yield peer


@pytest.mark.asyncio(loop_scope="module")
async def test_program_has_streams_and_a_status(node, pod):
    async with executing(node, pod, "sh", "-c", "echo out; echo err >&2; exit 7") as peer:
        assert await peer.end() == ("out\n", "err\n", 7)
    async with executing(node, pod, "cat") as peer:
        for line in ("one\n", "two\n"):
            peer.type(line)
            await peer.until(line)
        peer.end_input()
        assert await peer.end() == ("one\ntwo\n", "", 0)


@pytest.mark.asyncio(loop_scope="module")
async def test_much_goes_through(node, pod):
    text = "0123456789abcdef" * 65536
    async with executing(node, pod, "cat") as peer:
        peer.type(text)
        peer.end_input()
        out, _, code = await peer.end()
    assert (out == text, code) == (True, 0)


@pytest.mark.asyncio(loop_scope="module")
async def test_terminal_of_a_program(node, pod):
    async with executing(node, pod, "sh", tty=True, stderr=False) as peer:
        await peer.until("/ # ")
        peer.say(channels.RESIZE, b'{"Width": 90, "Height": 20}')
        peer.say(channels.RESIZE, b"no JSON")
        peer.type("stty size; echo $TERM\r")
        await peer.until("20 90\r\nxterm\r\n")
        peer.type("sleep 100\r")
        await peer.until("sleep 100\r\n")
        peer.type("\x03")
        await peer.until("^C\r\n/ # ")
        peer.type("exit 4\r")
        assert (await peer.end())[2] == 4
    async with executing(node, pod, "sh", "-c", "echo go; sleep 100", tty=True) as peer:
        await peer.until("go")
        peer.type("\x03")
        assert (await peer.end())[2] == 130


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("keys", ["", "x" * 200_000], ids=["quiet", "typing"])
async def test_program_ends_with_its_peer(node, pod, keys):
    """Also when its input is full, so that nobody would hear the end."""
    script = "trap 'touch /tmp/never' TERM; echo go; sleep 77; touch /tmp/never"
    async with executing(node, pod, "sh", "-c", script) as peer:
        await peer.until("go")
        peer.type(keys)
    async with asyncio.timeout(10):
        while "sleep 77" in (await node.sh(pod[1], "ps"))[1]:
            await asyncio.sleep(0.02)
    assert await node.sh(pod[1], "ls /tmp/never 2>/dev/null") == (1, "")


@pytest.mark.asyncio(loop_scope="module")
async def test_peer_that_does_not_read_is_waited_for(node, pod):
    async with executing(node, pod, "yes") as peer:
        await peer.until("y")
        assert await node.sh(pod[1], "echo free") == (0, "free\n")
        for _ in range(100):
            await peer.hear()
        assert set(peer.heard) == {channels.STDOUT}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"exec_stream": {"container_id": "none", "cmd": ["ls"]}}, "NotFound"),
        ({"attach_stream": {"container_id": "none"}}, "NotFound"),
        ({"exec_stream": {"cmd": ["ls"]}}, "InvalidArgument"),
        ({"port_forward": {"port": 0}}, "InvalidArgument"),
        ({"port_forward": {"port": 99}}, "Unavailable"),
        ({"other": {}}, "Unimplemented"),
        ({}, "InvalidArgument"),
        (b"\xff\n", "InvalidArgument"),
        (b"[" * 100_000 + b"\n", "InvalidArgument"),
        (b"x" * 300_000 + b"\n", "InvalidArgument"),
    ],
    ids=["exec", "attach", "field", "port", "refused", "method", "none", "utf-8", "deep", "long"],
)
async def test_what_makes_no_sense_is_answered(node, pod, request_, code):
    async with asking(node, pod[0], request_) as (answer, _, _):
        assert answer["code"] == code
        if code == "Unavailable":
            assert "dial tcp4 127.0.0.1:99: connect: connection refused" in answer["error"]


@pytest.mark.asyncio(loop_scope="module")
async def test_program_that_is_not_there_is_refused(node, pod):
    asked = {"container_id": pod[1], "cmd": ["nosuch"]}
    async with asking(node, pod[0], {"exec_stream": asked}) as (answer, _, _):
        assert answer["code"] == "FailedPrecondition"
        assert 'exec: "nosuch": executable file not found in $PATH' in answer["error"]


@pytest.mark.asyncio(loop_scope="module")
async def test_malformed_frames_end_the_program(node, pod):
    asked = {"container_id": pod[1], "cmd": ["sleep", "78"], **EVERYTHING}
    async with asking(node, pod[0], {"exec_stream": asked}) as (_, peer, writer):
        writer.write(b"\x00\xff\xff\xff\xff")
        assert not await peer.hear()
    assert "sleep 78" not in (await node.sh(pod[1], "ps"))[1]


# --- attach


@contextlib.asynccontextmanager
async def attached(node, sandbox, container, **wanted: bool):
    asked = {"container_id": container, **EVERYTHING, **wanted}
    async with asking(node, sandbox, {"attach_stream": asked}) as (answer, peer, _):
        assert answer == {"ok": True}
        yield peer


@pytest.mark.asyncio(loop_scope="module")
async def test_shell_of_a_container_is_attached_to(node, pod):
    wanted = {"stdin": True, "stdin_once": True, "tty": True}
    container = await node.run(pod[0], "busybox", "shell", **wanted)
    async with attached(node, pod[0], container) as peer:
        peer.type("\r")
        await peer.until("/ # ")
        peer.type("echo $((6 * 7))\r")
        await peer.until("42\r\n")
    ended = await node.wait_exited(container)
    assert ended["exit_code"] == 0, "the input was for one alone"
    assert any("42" in line for line in node.log(pod[0], "shell"))


@pytest.mark.asyncio(loop_scope="module")
async def test_input_of_a_container_stays_open(node, pod):
    script = ["sh", "-c", "while read x; do echo got $x; [ $x = end ] && exit 9; done"]
    container = await node.run(pod[0], "busybox", "reader", command=script, stdin=True)
    for word in ("one", "two"):
        async with attached(node, pod[0], container) as peer:
            peer.type(f"{word}\n")
            await peer.until(f"got {word}\n")
    async with (
        attached(node, pod[0], container, stdin=False) as looking,
        attached(node, pod[0], container) as peer,
    ):
        peer.type("end\n")
        assert await peer.end() == ("got end\n", "", 0), "an attachment's end is no failure"
        assert (await looking.end())[0] == "got end\n"
    assert (await node.wait_exited(container))["exit_code"] == 9
    asked = {"attach_stream": {"container_id": container}}
    async with asking(node, pod[0], asked) as (answer, _, _):
        assert answer["error"] == "container is not running"


@pytest.mark.asyncio(loop_scope="module")
async def test_interrupt_at_a_container_is_the_programs(node, pod):
    """PID 1 without a handler does not hear it, as in Linux."""
    command = ["sh", "-c", "echo go; sleep 1; echo still here"]
    container = await node.run(pod[0], "busybox", "first", command=command, stdin=True, tty=True)
    async with attached(node, pod[0], container) as peer:
        peer.type("\x03")
        assert "still here" in (await peer.end())[0]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("tty", [False, True], ids=["pipe", "terminal"])
async def test_python_code_reads_its_input(node, pod, tty):
    image, name = f"python://{programs.__name__}:listen", f"listen-{tty}"
    container = await node.run(pod[0], image, name, stdin=True, stdin_once=True, tty=tty)
    async with attached(node, pod[0], container) as peer:
        peer.type("you\n")
        await peer.until(f"hello you, {tty}")
        peer.type("a\nb\n")
        peer.end_input()
        await peer.end()
    assert (await node.wait_exited(container))["exit_code"] == 3
    said = "\n".join(node.log(pod[0], name))
    assert "to_thread(input)" in said
    assert "then 'a\\nb\\n'" in said


# --- port-forward


@pytest.mark.asyncio(loop_scope="module")
async def test_port_is_forwarded_with_half_close(node, pod):
    server = ["sh", "-c", "nc -l -p 7000 < /etc/hostname"]
    container = await node.run(pod[0], "busybox", "server", command=server)
    async with asyncio.timeout(10):
        while "7000" not in (await node.sh(pod[1], "netstat -tln"))[1]:
            await asyncio.sleep(0.02)
    async with asking(node, pod[0], {"port_forward": {"port": 7000}}) as (answer, peer, writer):
        assert answer == {"ok": True}
        writer.write(b"hello\n")
        assert await peer.reader.readline() == b"pod-2\n"
        writer.write_eof()
        assert await peer.reader.read() == b""
    assert (await node.wait_exited(container))["exit_code"] == 0
    assert any(line.endswith("hello") for line in node.log(pod[0], "server"))
