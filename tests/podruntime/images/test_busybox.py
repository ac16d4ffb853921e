"""Applets, without a pod."""

from __future__ import annotations

import asyncio

import pytest

from podruntime.images import filesystem, registry
from podruntime.images.busybox import APPLETS, CURL
from podruntime.images.http_server import HttpServer, Response

from .processes import FakeDualNetwork, process, run, sh

pytestmark = pytest.mark.asyncio


async def test_files():
    status, out, err = await sh(
        "mkdir -p /a/b; echo x > /a/b/c; cp /a/b/c /a; mv /a/c /d; ls /a /d; cat /d /no;"
        " rm -r /a; rm /none; ls /a"
    )
    assert (status, out) == (1, "/d\n\n/a:\nb\nx\n")
    assert err == (
        "cat: can't open '/no': No such file or directory\n"
        "rm: can't remove '/none': No such file or directory\n"
        "ls: /a: No such file or directory\n"
    )


async def test_a_file_that_is_too_long_says_so(monkeypatch):
    monkeypatch.setattr(filesystem, "FILE_OCTETS_MAX", 4 << 20)
    big = "x" * (1 << 20)
    status, _, err = await sh(
        "while true; do cat /big >> /copy || exit 1; done", files={"/big": big}
    )
    assert status == 1
    assert "File too large" in err


@pytest.mark.parametrize(
    ("script", "output"),
    [
        ("printf 'b\\na\\nb\\n' | sort | uniq -c | sort -rn | head -1", "      2 b\n"),
        ("echo a:b:c | cut -d: -f1,3", "a:c\n"),
        ("echo hello | tr a-z A-Z", "HELLO\n"),
        ("echo 1 2 3 | xargs -n 1 echo n", "n 1\nn 2\nn 3\n"),
        ("hostname; hostname -i", "pod-1\n10.244.1.2\n"),
        (
            "hostname -f; echo 10.244.1.2 pod-1.sub.d.svc pod-1 > /etc/hosts; hostname -f",
            "pod-1\npod-1.sub.d.svc\n",
        ),
        ("env A=1 printenv A", "1\n"),
        ("echo x | tee /f; cat /f", "x\nx\n"),
        ("basename /a/b.c .c; dirname /a/b", "b\n/a\n"),
        ("timeout 0.01 sleep 5; echo $?", "143\n"),
        ("which sh nope", "/bin/sh\n"),
        ("head -c 3 /f", "abc"),
        ("tail -n +2 /g", "2\n3\n"),
        ("echo drawer | rev", "reward\n"),
        ("seq 3 -1 1 | wc -l", "3\n"),
        ("date -u +%Y | wc -c", "5\n"),
        ("busybox echo hi", "hi\n"),
        ("grep -n -i B /g || echo none; grep -c . /g", "none\n3\n"),
        ("id -u; whoami; uname; nproc", "0\nroot\nLinux\n1\n"),
    ],
)
async def test_applets_write(script, output):
    _, out, err = await sh(script, files={"/f": "abcdef", "/g": "1\n2\n3\n"})
    assert (out, err) == (output, "")


async def test_usage_errors_are_one_line_and_status_1():
    for words in (["sleep"], ["sleep", "x"], ["head", "-z"], ["ping"], ["wget"], ["nc", "a"]):
        status, out, err = await run(words)
        assert (status, out, err.count("\n")) == (1, "", 1)
        assert err.startswith(f"{words[0]}: ")


async def test_ping_counts_and_fails_without_replies():
    status, out, _ = await run(["ping", "-c", "2", "-i", "0", "10.244.1.1"])
    assert status == 0
    assert out == (
        "PING 10.244.1.1 (10.244.1.1): 56 data bytes\n"
        "64 bytes from 10.244.1.1: seq=0 ttl=62 time=1.000 ms\n"
        "64 bytes from 10.244.1.1: seq=1 ttl=62 time=2.000 ms\n"
        "\n--- 10.244.1.1 ping statistics ---\n"
        "2 packets transmitted, 2 packets received, 0% packet loss\n"
        "round-trip min/avg/max = 1.000/1.500/2.000 ms\n"
    )
    status, out, _ = await run(["ping", "-c", "2", "-i", "0", "-W", "0.01", "10.244.1.9"])
    assert status == 1
    assert "2 packets transmitted, 0 packets received, 100% packet loss" in out


async def test_traceroute_prints_every_hop():
    status, out, _ = await run(["traceroute", "10.9.9.9"])
    assert status == 0
    assert out == (
        "traceroute to 10.9.9.9 (10.9.9.9), 30 hops max, 46 byte packets\n"
        " 1  10.244.1.1 (10.244.1.1)  1.000 ms  1.000 ms  1.000 ms\n"
        " 2  10.9.9.9 (10.9.9.9)  1.000 ms  1.000 ms  1.000 ms\n"
    )
    _, out, _ = await run(["traceroute", "-nT", "-q1", "-m1", "-p", "80", "10.9.9.9", "60"])
    assert out.splitlines()[1:] == [" 1  10.244.1.1  1.000 ms"]
    for words, says in (
        ([], "usage: "),
        (["-m", "256", "10.9.9.9"], "invalid -m '256': 0 to 255"),
        (["-f", "3", "-m", "2", "10.9.9.9"], "bad -f 3"),
        (["-s", "10.9.9.1", "10.9.9.9"], "Cannot assign requested address"),
        (["10.9.9.9", "x"], "invalid packet size 'x'"),
    ):
        status, _, err = await run(["traceroute", *words])
        assert (status, says in err) == (1, True), err


async def test_ip_and_netstat_print_as_their_originals():
    _, out, _ = await run(["ip", "route"])
    assert out == (
        "default via 10.244.1.1 dev eth0\n10.244.1.0/24 dev eth0 scope link  src 10.244.1.2\n"
    )
    _, out, _ = await run(["ip", "addr", "show", "eth0"])
    assert "    inet 10.244.1.2/24 brd 10.244.1.255 scope global eth0\n" in out
    _, out, _ = await run(["netstat", "-ltn"])
    assert "tcp        0      0 0.0.0.0:80              0.0.0.0:*               LISTEN\n" in out
    _, out, _ = await run(["ifconfig"])
    assert "inet addr:10.244.1.2  Bcast:10.244.1.255  Mask:255.255.255.0" in out


@pytest.fixture
def site():
    def answer(request):
        if request.path == "/moved":
            return Response(302, headers=[("Location", "/")])
        if request.path == "/missing":
            return Response(404, b"no\n")
        text = f"{request.method} {request.headers.get('X-A')} {request.body.decode()}\n"
        return Response(body=text.encode())

    return HttpServer(answer)


async def _url(site, path="/"):
    await site.start(0, "127.0.0.1")
    (sock,) = site._server.sockets
    return f"http://127.0.0.1:{sock.getsockname()[1]}{path}"


async def test_wget_fetches_follows_and_fails(site):
    url = await _url(site)
    assert await run(["wget", "-qO-", "--header", "X-A: 1", f"{url}moved"]) == (0, "GET 1 \n", "")
    assert (await run(["wget", "-qO-", "--post-data", "p=1", url]))[1] == "POST  p=1\n"
    status, out, err = await run(["wget", "-q", "-O", "-", f"{url}missing"])
    assert (status, out) == (1, "")
    assert err == "wget: server returned error: HTTP/1.1 404 Not Found\n"
    assert (await sh(f"wget -q --spider {url} && echo there"))[1] == "there\n"
    assert (await sh(f"cd /tmp; wget -q {url}x.txt; cat x.txt"))[1] == "GET  \n"
    await site.close()
    status, _, err = await run(["wget", "-q", "-T", "1", url])
    assert (status, err) == (
        1,
        "wget: can't connect to remote host (127.0.0.1): Connection refused\n",
    )


async def test_curl_options_and_exit_codes(site):
    url = await _url(site)

    async def curl(*words):
        return await run(["curl", *words], programs=CURL.programs)

    assert await curl("-s", url) == (0, "GET  \n", "")
    assert await curl("-s", "-o", "/dev/null", "-w", "%{http_code}\\n", url) == (0, "200\n", "")
    assert await curl("-s", "-d", "a=1", "-H", "X-A: h", url) == (0, "POST h a=1\n", "")
    assert (await curl("-sSf", f"{url}missing"))[0] == 22
    assert (await curl("-sL", f"{url}moved"))[1] == "GET  \n"
    assert (await curl("-sI", url))[1].startswith("HTTP/1.1 200 OK\r\n")
    assert await curl("-s4", url) == (0, "GET  \n", "")
    assert (await curl("-s", "--ipv6", url))[0] == 6, "127.0.0.1 is no address of IPv6"
    assert (await curl("--nonsense"))[0] == 2
    assert (await curl("ftp://x/"))[0] == 3
    await site.close()
    status, out, err = await curl("-s", "-S", "-m", "1", "-w", "%{http_code}", url)
    assert (status, out) == (7, "000")
    assert err.startswith("curl: (7) Failed to connect to 127.0.0.1 port")
    assert (await run(["entrypoint.sh", "-V"], programs=CURL.programs))[1].startswith("curl 8.")


async def test_nc_talks_and_listens():
    async def shout(reader, writer):
        writer.write((await reader.read()).upper())
        writer.close()

    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    assert await run(["nc", "127.0.0.1", port], stdin=b"hi") == (0, "HI", "")
    assert (await run(["nc", "-z", "-w", "1", "127.0.0.1", port]))[0] == 0
    server.close()
    await server.wait_closed()
    assert (await run(["nc", "-z", "127.0.0.1", port]))[0] == 1


class Shout(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data.upper(), addr)


async def test_nc_speaks_in_datagrams():
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Shout, local_addr=("127.0.0.1", 0))
    port = str(transport.get_extra_info("sockname")[1])
    assert await run(["nc", "-u", "-w", "1", "127.0.0.1", port], stdin=b"hi") == (0, "HI", "")
    assert await run(["nc", "-vuz", "-w", "5", "127.0.0.1", port]) == (
        0, "", f"Connection to 127.0.0.1 {port} port [udp/*] succeeded!\n",
    )  # fmt: skip
    transport.close()
    await asyncio.sleep(0)
    assert await run(["nc", "-uz", "127.0.0.1", port]) == (1, "", "")


async def test_curl_asks_from_an_address(site):
    url = await _url(site)
    programs = registry.find("registry.k8s.io/e2e-test-images/agnhost:2.53").image.programs
    words = ["curl", "-q", "-g", "-s", "-w", "%{local_ip}", "-o", "/dev/null"]
    for source in ("127.0.0.1", "127.0.0.9"):
        asked = await run([*words, "--interface", source, url], programs=programs)
        assert asked == (0, source, "")
    assert (await run([*words, "--interface", "192.0.2.1", url], programs=programs))[0] == 7
    await site.close()


async def test_both_families_are_shown_as_by_the_originals():
    _, out, _ = await run(["ip", "-6", "route"], network=FakeDualNetwork)
    assert out == (
        "fd00:10:244:1::/64 dev eth0  metric 256\n"
        "default via fd00:10:244:1::1 dev eth0  metric 1024\n"
    )
    _, out, _ = await run(["ip", "route"], network=FakeDualNetwork)
    assert out.startswith("default via 10.244.1.1 dev eth0\n10.244.1.0/24")
    _, out, _ = await run(["ip", "addr"], network=FakeDualNetwork)
    assert "inet6 ::1/128 scope host" in out
    assert "inet 10.244.1.2/24" in out
    assert "inet6 fd00:10:244:1::2/64 scope global" in out
    _, out, _ = await run(["ifconfig"], network=FakeDualNetwork)
    assert "inet6 addr: fd00:10:244:1::2/64 Scope:Global" in out
    _, out, _ = await run(["netstat"], network=FakeDualNetwork)
    assert ":::80                   :::*" in out
    assert (await run(["hostname", "-i"], network=FakeDualNetwork))[1] == (
        "10.244.1.2 fd00:10:244:1::2\n"
    )


async def test_ping_goes_by_the_family_that_is_asked_for():
    gateway = "fd00:10:244:1::1"
    status, out, _ = await run(["ping", "-c1", gateway], network=FakeDualNetwork)
    assert (status, out.splitlines()[0]) == (0, f"PING {gateway} ({gateway}): 56 data bytes")
    status, out, _ = await run(["ping6", "-c1", "10.244.1.1"], network=FakeDualNetwork)
    assert status == 1
    assert "PING" not in out


_TREE = "mkdir -p /t/a/b; echo 12345 > /t/a/f; echo > /t/.h; ln -s a/f /t/l; ln -s /t/a /t/d; "


@pytest.mark.parametrize(
    ("script", "output"),
    [
        ("ls /t", "a\nd\nl\n"),
        ("ls -A /t", ".h\na\nd\nl\n"),
        ("ls -a /t/a", ".\n..\nb\nf\n"),
        ("ls -r /t", "l\nd\na\n"),
        ("ls -S /t/a | tail -1", "f\n"),
        ("ls -d /t", "/t\n"),
        ("ls -R /t/a", "/t/a:\nb\nf\n\n/t/a/b:\n"),
        ("ls /t/a /t/l /t", "/t/l\n\n/t:\na\nd\nl\n\n/t/a:\nb\nf\n"),
        ("find /t", "/t\n/t/.h\n/t/a\n/t/a/b\n/t/a/f\n/t/d\n/t/l\n"),
        ("find /t -type d", "/t\n/t/a\n/t/a/b\n"),
        ("find /t -name 'f*' -print", "/t/a/f\n"),
        ("find /t -maxdepth 1 -mindepth 1 -type l", "/t/d\n/t/l\n"),
        ("find /t -path '*/a/*'", "/t/a/b\n/t/a/f\n"),
        ("cd /t; find . -type f", "./.h\n./a/f\n"),
        ("stat -c '%n %s %a %F' /t/a/f", "/t/a/f 6 644 regular file\n"),
        ("stat -c %F /t/l; stat -L -c %s /t/l", "symbolic link\n6\n"),
        ("stat /t/l | head -1", "  File: '/t/l' -> 'a/f'\n"),
        ("readlink /t/l; readlink -f /t/d/f; realpath /t/l", "a/f\n/t/a/f\n/t/a/f\n"),
        ("readlink /t/a || echo none", "none\n"),
        ("rmdir /t/a/b && ls /t/a", "f\n"),
        ("du /t/a/b | cut -f2", "/t/a/b\n"),
        ("du -s /t | cut -f2", "/t\n"),
        ("f=$(mktemp); test -f $f && stat -c %a $f", "600\n"),
        ("d=$(mktemp -d /t/XXXXXX); test -d $d && stat -c %a $d", "700\n"),
        ("test -L /t/l && test ! -L /t/a && test ! -S /t/l && test ! -p /t/a && echo y", "y\n"),
    ],
)
async def test_trees(script, output):
    assert await sh(_TREE + script) == (0, output, "")


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("rmdir /t/a", "rmdir: '/t/a': Directory not empty\n"),
        ("rmdir /t/a/f", "rmdir: '/t/a/f': Not a directory\n"),
        ("find /no", "find: /no: No such file or directory\n"),
        ("find /t -delete", "find: unrecognized: -delete\n"),
        ("find /t -type x", "find: invalid -type argument 'x'\n"),
        ("find /t -name", "find: -name: needs an argument\n"),
        ("find /t -maxdepth x", "find: invalid number 'x'\n"),
        ("stat /no", "stat: can't stat '/no': No such file or directory\n"),
        ("realpath /no", "realpath: /no: No such file or directory\n"),
        ("du /no", "du: /no: No such file or directory\n"),
        ("ln -s x /t/x; ln -sf x /t/x; readlink -f /t/x", "readlink: /t/x: Too many levels"),
        ("mktemp /t/X", "mktemp: (/t/X): Invalid argument\n"),
    ],
)
async def test_trees_that_are_not_there(script, complaint):
    status, _, err = await sh(_TREE + script)
    assert status == 1
    assert err.startswith(complaint)


async def test_tail_waits_for_a_file_that_is_not_there_yet():
    made = process(["tail", "-n+1", "-F", "/log"])
    following = asyncio.get_running_loop().create_task(APPLETS["tail"](made))
    async with asyncio.timeout(5):
        while b"No such file" not in made.stderr.taken():
            await asyncio.sleep(0)
        made.files.write("/log", b"first\n")
        while made.stdout.taken() != b"first\n":
            await asyncio.sleep(0.01)
    following.cancel()
    await asyncio.wait([following])


async def test_tail_without_it_ends():
    assert (await run(["tail", "-f", "/log"]))[0] == 1
