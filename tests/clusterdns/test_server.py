"""The server at real sockets, asked by dnspython; the other resolver is a second one of ours."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import urllib.error
import urllib.request
from contextlib import asynccontextmanager

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest
from clusterdns_world import COREFILE, answering, rows

from clusterdns import run
from clusterdns.forwarding import Forwarder
from clusterdns.metrics import Metrics
from clusterdns.server import Server
from clusterdns.status_pages import StatusPages
from componentbase.tasks import Tasks

HOST = "127.0.0.1"
WEB = "web.default.svc.cluster.local."
BOUND_S = 10.0
#: More addresses than an answer by UDP has room for.
MANY = "\n".join(f"10.9.{n // 250}.{n % 250 + 1} many.example" for n in range(300))


@asynccontextmanager
async def serving(corefile):
    metrics = Metrics()
    server = Server(answering(corefile), Forwarder(metrics, random.Random(1)), metrics)
    await server.start(HOST, 0)
    try:
        yield server
    finally:
        await server.close()


async def by_udp(server, name, kind="A", **options):
    question = dns.message.make_query(name, kind, **options)
    return await dns.asyncquery.udp(question, HOST, BOUND_S, server.udp_port)


async def by_tcp(server, name, kind="A"):
    question = dns.message.make_query(name, kind)
    return await dns.asyncquery.tcp(question, HOST, BOUND_S, server.tcp_port)


@pytest.mark.asyncio
async def test_udp_and_tcp_say_the_same():
    async with serving(COREFILE) as server:
        for ask in (by_udp, by_tcp):
            assert rows(await ask(server, WEB)) == ["A 10.96.1.1"]
            assert (await ask(server, "none." + WEB)).rcode() == dns.rcode.NXDOMAIN


@pytest.mark.asyncio
async def test_what_does_not_fit_comes_by_tcp():
    async with serving(f". {{\n hosts {{\n{MANY}\n }}\n}}") as server:
        short = await by_udp(server, "many.example.")
        assert short.flags & dns.flags.TC
        assert 10 < len(short.answer[0]) < 32
        more = await by_udp(server, "many.example.", use_edns=0, payload=1232)
        assert len(more.answer[0]) > len(short.answer[0])
        assert len((await by_tcp(server, "many.example.")).answer[0]) == 300


@pytest.mark.asyncio
async def test_several_questions_in_one_connection_and_then_garbage():
    async with serving(COREFILE) as server:
        reader, writer = await asyncio.open_connection(HOST, server.tcp_port)
        try:
            questions = [dns.message.make_query(WEB, "A", id=n).to_wire() for n in range(3)]
            writer.write(b"".join(struct.pack("!H", len(q)) + q for q in questions))
            for number in range(3):
                length = int.from_bytes(await reader.readexactly(2), "big")
                assert dns.message.from_wire(await reader.readexactly(length)).id == number
            writer.write(b"\0\3abc")
            assert await asyncio.wait_for(reader.read(), BOUND_S) == b""
        finally:
            writer.close()
        assert rows(await by_udp(server, WEB)) == ["A 10.96.1.1"]


@pytest.mark.asyncio
async def test_questions_about_others_go_to_the_next_resolver():
    text = f". {{\n hosts {{\n192.0.2.80 www.example.com\n{MANY}\n }}\n}}"
    async with serving(text) as other:
        # A socket of one number by UDP and TCP is not promised: by TCP it is asked for apart.
        forward = (
            f". {{\n forward . {HOST}:{other.udp_port}\n cache 30\n kubernetes cluster.local\n}}"
        )
        async with serving(forward) as server:
            assert rows(await by_udp(server, "www.example.com.")) == ["A 192.0.2.80"]
            message = await by_udp(server, "outside.default.svc.cluster.local.")
            assert rows(message) == ["CNAME www.example.com.", "www.example.com. A 192.0.2.80"]
            assert (await by_udp(server, "no.example.com.")).rcode() == dns.rcode.NXDOMAIN
        by_tcp_only = f". {{\n forward . {HOST}:{other.tcp_port} {{\n force_tcp\n }}\n}}"
        async with serving(by_tcp_only) as server:
            assert len((await by_tcp(server, "many.example.")).answer[0]) == 300


@pytest.mark.asyncio
async def test_a_resolver_that_is_not_there_is_servfail_and_the_next_is_asked():
    async with serving(". {\n hosts {\n192.0.2.80 www.example.com\n }\n}") as other:
        gone = await asyncio.start_server(lambda *_: None, HOST, 0)
        port = gone.sockets[0].getsockname()[1]  # Nobody has it by UDP.
        servers = f"{HOST}:{port} {HOST}:{other.udp_port}"
        text = f". {{\n forward . {servers} {{\n policy sequential\n }}\n}}"
        async with serving(text) as server:
            assert rows(await by_udp(server, "www.example.com.")) == ["A 192.0.2.80"]
        async with serving(f". {{\n forward . {HOST}:{port}\n}}") as server:
            message = await by_udp(server, "www.example.com.")
            assert message.rcode() == dns.rcode.SERVFAIL
        gone.close()


@pytest.mark.asyncio
async def test_the_pages():
    state = {"ready": False}
    pages = StatusPages({"/ready": lambda: (200, "OK") if state["ready"] else (503, "kubernetes")})
    await pages.start(HOST, 0)

    def get(path):
        try:
            with urllib.request.urlopen(f"http://{HOST}:{pages.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    assert await asyncio.to_thread(get, "/ready") == (503, "kubernetes")
    state["ready"] = True
    assert await asyncio.to_thread(get, "/ready?x=1") == (200, "OK")
    assert (await asyncio.to_thread(get, "/other"))[0] == 404
    await pages.close()


async def until(condition):
    async with asyncio.timeout(BOUND_S):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_a_program_reads_reloads_and_ends(tmp_path, monkeypatch, capsys):
    # The file may not be looked at more often than every 2 s; the test does not wait that long.
    monkeypatch.setattr("clusterdns.settings.RELOAD_MIN_S", 0.01)
    path = tmp_path / "Corefile"
    port = _free_port()

    def corefile(address):
        return f".:{port} {{\n hosts {{\n{address} a.example\n }}\n reload 20ms\n}}"

    path.write_text(corefile("192.0.2.1"))
    said = ""

    def heard(words):
        nonlocal said
        said += capsys.readouterr().out
        return words in said

    stop = asyncio.Event()
    tasks = Tasks()
    program = tasks.spawn(run.serve(["-conf", str(path)], {}, stop), name="program")
    await until(lambda: heard("CoreDNS-"))
    path.write_text("nonsense")
    await until(lambda: heard("[ERROR] Restart failed: Corefile:1 - Error during parsing"))
    path.write_text(corefile("192.0.2.2"))
    await until(lambda: heard("[INFO] Reloading complete"))
    question = dns.message.make_query("a.example.", "A")
    assert rows(await dns.asyncquery.tcp(question, HOST, BOUND_S, port)) == ["A 192.0.2.2"]
    stop.set()
    assert await asyncio.wait_for(program, BOUND_S) == 0


def _free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("corefile", "words"),
    [
        (None, "No such file"),
        (". {\n nonsense\n}", "Corefile:2 - Error during parsing: Unknown directive"),
        (". {\n kubernetes\n}", "unable to load in-cluster configuration"),
    ],
)
async def test_a_program_that_cannot_start_says_why(tmp_path, capsys, corefile, words):
    path = tmp_path / "Corefile"
    if corefile is not None:
        path.write_text(corefile)
    assert await run.serve([f"--conf={path}"], {}, asyncio.Event()) == 1
    assert words in capsys.readouterr().out


@pytest.mark.asyncio
async def test_a_program_that_forwards_to_itself_ends(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("clusterdns.forwarding.READ_TIMEOUT_S", 0.2)
    one, other = _free_port(), _free_port()
    path = tmp_path / "Corefile"
    path.write_text(
        f".:{one} {{\n loop\n forward . {HOST}:{other}\n}}\n"
        f".:{other} {{\n forward . {HOST}:{one}\n}}\n"
    )
    serving = run.serve([f"--conf={path}"], {}, asyncio.Event())
    assert await asyncio.wait_for(serving, 4 * BOUND_S) == 1
    assert '[FATAL] plugin/loop: Loop detected for zone "."' in capsys.readouterr().out


@pytest.mark.asyncio
async def test_a_program_whose_questions_are_answered_goes_on(tmp_path, capsys):
    one, other = _free_port(), _free_port()
    path = tmp_path / "Corefile"
    path.write_text(
        f"a.example:{one} {{\n loop\n forward . {HOST}:{other}\n}}\n"
        f".:{other} {{\n hosts {{\n192.0.2.1 b.example\n}}\n}}\n"
    )
    stop, tasks = asyncio.Event(), Tasks()
    program = tasks.spawn(run.serve([f"--conf={path}"], {}, stop), name="program")
    said = ""
    while "CoreDNS-" not in said:
        await asyncio.sleep(0.01)
        said += capsys.readouterr().out
    question = dns.message.make_query("x.a.example.", "A")
    answer = await dns.asyncquery.udp(question, HOST, BOUND_S, one)
    assert answer.rcode() == dns.rcode.NXDOMAIN, "what it looked for was answered before this"
    stop.set()
    assert await asyncio.wait_for(program, BOUND_S) == 0
