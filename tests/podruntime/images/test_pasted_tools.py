"""tar, sed, ss, base64: what kubectl and tutorials call."""

from __future__ import annotations

import asyncio
import io
import tarfile

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from podruntime.images.busybox import APPLETS
from podruntime.images.process import Octets, find_program

from .processes import process, run, sh


def archive(*members: tuple[str, bytes | str | None], form=tarfile.PAX_FORMAT) -> bytes:
    """Return an archive as Python's tarfile writes it: a file, a link (text) or a directory."""
    octets = io.BytesIO()
    with tarfile.open(fileobj=octets, mode="w", format=form) as tar:
        for name, content in members:
            head = tarfile.TarInfo(name)
            head.mode = 0o640
            if content is None:
                head.type, head.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                head.type, head.linkname = tarfile.SYMTYPE, content
            else:
                head.size = len(content)
            tar.addfile(head, io.BytesIO(content) if isinstance(content, bytes) else None)
    return octets.getvalue()


async def tar(*words: str, stdin: bytes = b"", files=None):
    """Run tar; return the process and its status."""
    made = process(["tar", *words], files=files)
    made.stdin = Octets(stdin)
    return made, await find_program(APPLETS, "tar")(made)


LONG = "d/" + "long" * 60


@pytest.mark.asyncio
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
async def test_archives_of_others_are_unpacked(form):
    octets = archive(
        ("d", None), ("d/a", b"one"), ("d/empty", b""), (LONG, b"x" * 3000), ("d/l", "a"), form=form
    )
    made, status = await tar("-xmf", "-", "-C", "/tmp", stdin=octets)
    assert (status, made.stderr.taken()) == (0, b"")
    assert made.files.read("/tmp/d/a") == b"one"
    assert made.files.read("/tmp/d/l") == b"one"
    assert made.files.read(f"/tmp/{LONG}") == b"x" * 3000
    assert made.files.stat("/tmp/d/a").st_mode & 0o777 == 0o640


@pytest.mark.asyncio
async def test_archives_are_read_by_others():
    made, status = await tar("cf", "-", "/d", files={"/d/a": "one", f"/{LONG}": "two"})
    assert status == 0
    assert made.stderr.taken() == b"tar: removing leading '/' from member names\n"
    with tarfile.open(fileobj=io.BytesIO(made.stdout.taken())) as found:
        assert sorted(found.getnames()) == ["d", "d/a", LONG]
        assert found.extractfile("d/a").read() == b"one"
    assert len(made.stdout.taken()) % tarfile.RECORDSIZE == 0


@pytest.mark.asyncio
async def test_compressed_archive_survives():
    status, out, _ = await sh(
        "mkdir -p /x/y; echo hi > /x/y/f; tar czf /a.tgz -C /x y; tar tf /a.tgz;"
        " tar xzf /a.tgz -C /tmp; cat /tmp/y/f"
    )
    assert (status, out) == (0, "y/\ny/f\nhi\n")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (archive(("../evil", b"x")), "name with '..' encountered"),
        (b"x" * 600, "invalid tar magic"),
        (archive(("a", b"x" * 2000))[:1000], "short read"),
        (b"\x1f\x8bgarbage" * 100, "corrupted data"),
    ],
    ids=["climbing", "garbage", "cut", "zlib"],
)
async def test_bad_archives_are_refused(octets, said):
    made, status = await tar("xf", "-", "-C", "/tmp", stdin=octets)
    assert (status, said in made.stderr.taken().decode()) == (1, True)


@pytest.mark.asyncio
async def test_tar_says_what_is_wrong():
    assert "must specify one of" in (await run(["tar", "-f", "x"]))[2]
    assert "can't change directory" in (await run(["tar", "c", "-C", "/no", "x"]))[2]
    status, _, error = await run(["tar", "cf", "-", "none"])
    assert (status, error) == (1, "tar: none: No such file or directory\n")


TEXT = "one\ntwo\nthree\n"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("words", "made"),
    [
        (["s/o/0/"], "0ne\ntw0\nthree\n"),
        (["s/e/E/g"], "onE\ntwo\nthrEE\n"),
        (["s/e/E/2"], "one\ntwo\nthreE\n"),
        (["-n", "s/T/x/Ip"], "xwo\nxhree\n"),
        (["-n", "2p"], "two\n"),
        (["2d"], "one\nthree\n"),
        (["$d"], "one\ntwo\n"),
        (["/two/,$d"], "one\n"),
        (["2,3s/^/> /"], "one\n> two\n> three\n"),
        (["/one/!d"], "one\n"),
        (["2q"], "one\ntwo\n"),
        (["-e", "s/one/1/", "-e", "s/two/2/"], "1\n2\nthree\n"),
        (["s/one/1/;s/two/2/"], "1\n2\nthree\n"),
        ([r"s/\(t\)\(.*\)/\2\1/"], "one\nwot\nhreet\n"),
        (["-E", r"s/(t)(.*)/\2-\1/"], "one\nwo-t\nhree-t\n"),
        (["s|o|/|"], "/ne\ntw/\nthree\n"),
        (["s/one/[&]/"], "[one]\ntwo\nthree\n"),
        (["y/abcdeo/ABCDEO/"], "OnE\ntwO\nthrEE\n"),
        (["1i zero"], "zero\none\ntwo\nthree\n"),
        (["1a after"], "one\nafter\ntwo\nthree\n"),
        (["2c other"], "one\nother\nthree\n"),
        (["-n", "$="], "3\n"),
        (["s/[[:alpha:]]*/w/"], "w\nw\nw\n"),
    ],
)
async def test_sed_edits(words, made):
    assert await run(["sed", *words], stdin=TEXT.encode()) == (0, made, "")


@pytest.mark.asyncio
async def test_sed_changes_files_in_place():
    status, out, _ = await sh("echo a.b > /f; sed -i 's/\\./-/' /f; cat /f; sed -n 1p /f /f")
    assert (status, out) == (0, "a-b\na-b\n")


@pytest.mark.asyncio
@pytest.mark.parametrize("script", ["s/(/x", "k", "s/\\(/x/", "y/a/bc/", "s/a/b/k", ""])
async def test_sed_refuses_what_it_does_not_know(script):
    status, _, error = await run(["sed", script], stdin=b"a\n")
    assert (status, error.startswith("sed: ")) == ((1, True) if script else (0, False))


@pytest.mark.asyncio
async def test_sockets_are_shown():
    assert "LISTEN" in (await run(["ss", "-tln"]))[1]
    assert "ESTAB" not in (await run(["ss", "-tln"]))[1]
    assert "10.244.1.3:40000" in (await run(["ss", "-t"]))[1]
    assert len((await run(["ss", "-Hta"]))[1].splitlines()) == 2
    assert (await run(["ss", "-u"]))[1].count("\n") == 1


@pytest.mark.asyncio
async def test_base64_both_ways():
    assert (await run(["base64"], stdin=b"hello\n"))[1] == "aGVsbG8K\n"
    assert (await run(["base64", "-d"], stdin=b"aGVs\nbG8K\n"))[1] == "hello\n"
    assert len((await run(["base64", "-w", "0"], stdin=b"x" * 100))[1]) == 137
    assert (await run(["base64", "-d"], stdin=b"?"))[0] == 1


@pytest.mark.asyncio
async def test_neighbours_are_shown():
    said = (await run(["ip", "neigh"]))[1]
    assert said == (
        "10.244.1.1 dev eth0 lladdr 0a:58:0a:f4:01:01 REACHABLE\n10.244.1.9 dev eth0 INCOMPLETE\n"
    )


class NameServer(asyncio.DatagramProtocol):
    """Knows one name; what is asked as TXT is told to come by TCP."""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data, addr) -> None:
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        [asked] = question.question
        if asked.rdtype == dns.rdatatype.TXT:
            answer.flags |= dns.flags.TC
        elif asked.name.to_text() == "web.example.":
            answer.answer.append(dns.rrset.from_text(asked.name, 5, "IN", "A", "10.96.0.7"))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), addr)


async def by_tcp(reader, writer) -> None:
    length = int.from_bytes(await reader.readexactly(2), "big")
    answer = dns.message.make_response(dns.message.from_wire(await reader.readexactly(length)))
    text = dns.rrset.from_text("web.example.", 5, "IN", "TXT", '"long"')
    answer.answer.append(text)
    octets = answer.to_wire()
    writer.write(len(octets).to_bytes(2, "big") + octets)
    writer.close()


@pytest.mark.asyncio
async def test_dig_asks_a_server():
    server = await asyncio.start_server(by_tcp, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(NameServer, ("127.0.0.1", port))
    at = ["@127.0.0.1", "-p", str(port)]
    try:
        assert (await run(["dig", *at, "+short", "web.example"]))[:2] == (0, "10.96.0.7\n")
        said = (await run(["dig", *at, "web.example"]))[1]
        assert "status: NOERROR" in said
        assert "web.example. 5 IN A 10.96.0.7" in said
        assert "status: NXDOMAIN" in (await run(["dig", *at, "-x", "10.0.0.1"]))[1]
        assert (await run(["dig", *at, "+short", "web.example", "TXT"]))[1] == '"long"\n'
    finally:
        transport.close()
        server.close()
        await server.wait_closed()
    assert (await run(["dig", *at, "+tcp", "web.example"]))[0] == 9
    assert (await run(["dig", "-x", "nonsense"]))[0] == 1
