"""What tutorials paste into `kubectl exec`: a command, and what stands in its output.

The rest of the shell's tests say what each program does; here a line counts as it is typed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from .processes import FakeDualNetwork, sh

OUTPUT = [
    # The status of a pod's files, as probes and debugging pages look at it.
    ("touch /tmp/healthy; cat /tmp/healthy; echo $?", "0\n"),
    ("rm -f /tmp/healthy; cat /tmp/healthy 2>/dev/null || echo unhealthy", "unhealthy\n"),
    ("mkdir /data; cd /data; echo hello > a; ls -1", "a\n"),
    ("echo hi > /f; ls -ln /f | cut -c1-27", "-rw-r--r--    1 0        0 \n"),
    ("ls -l / | head -1 | cut -d' ' -f1", "total\n"),
    ("cat <<EOF\nhello $HOSTNAME\nEOF", "hello pod-1\n"),
    ("cat <<'EOF' > /f\nno $HOSTNAME\nEOF\ncat /f", "no $HOSTNAME\n"),
    # Loops that wait and count.
    ("i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done", "0\n1\n2\n"),
    ("while true; do echo hello; sleep 0.01; break; done", "hello\n"),
    ("until [ -f /ready ]; do touch /ready; done; echo up", "up\n"),
    ("for i in $(seq 1 3); do printf '%s ' $i; done", "1 2 3 "),
    ("[[ $HOSTNAME == pod-1 ]] && echo same", "same\n"),
    ("set -o pipefail; false | true; echo $?", "1\n"),
    ("false | true; echo $?", "0\n"),
    ("bash() { sh \"$@\"; }; bash -c 'echo $0' name", "name\n"),
    ("echo $((2**10)) $((2**3**2)) $((-2**2))", "1024 512 4\n"),
    ('[ "$RANDOM" -ge 0 ] && echo number', "number\n"),
    ("type cd wget; type nothing-at-all", "cd is a shell builtin\nwget is /bin/wget\n"
     "nothing-at-all: not found\n"),
    ("i=0; while [ $i -lt 3 ]; do echo $((i++)); done; echo $((i += 4, i--)) $i", "0\n1\n2\n7 6\n"),
    ("echo $((x = 5)) $x $((0x1f)) $((x > 2 ? 10 : (x = 0))) $x $((++x * 2))", "5 5 31 10 5 12\n"),
    ("x=abab; echo ${x/b/X} ${x//b/X} ${x//b} ${x/b*/} ${x/z/y}", "aXab aXaX aa a abab\n"),
    ("x=abcdef; echo ${x:1:2} ${x:4} ${x: -2} ${x:0:-4} ${x:9}.", "bc ef ef ab .\n"),
    ("x=a/b/c; echo ${x//\\//-} ${x:-none} ${y:-none}", "a-b-c a/b/c none\n"),
    # The machine.
    ("df -h / | head -1", "Filesystem                Size      Used Available Use% Mounted on\n"),
    ("df / | tail -1 | awk '{ print NF, $1, $6 }'", "6 overlay /\n"),
    ("free -m | awk 'NR == 2 && $2 > 0 { print $1 }'", "Mem:\n"),
    ("uptime | grep -c 'load average: [0-9]'", "1\n"),
    ("grep -c MemTotal /proc/meminfo", "1\n"),
    ("mount | head -1", "overlay on / type overlay (rw,relatime)\n"),
    ("uname -s; uname -m; uname -sn", "Linux\nx86_64\nLinux pod-1\n"),
    ("sync; usleep 10; echo $?", "0\n"),
    ("busybox --list | grep -cx wget", "1\n"),
    # Octets.
    ("echo hello | md5sum", "b1946ac92492d2347c6235b4d2611184  -\n"),
    ("echo hello > /f; sha256sum /f > /s; sha256sum -c /s", "/f: OK\n"),
    ("echo hello > /f; sha1sum /f | cut -c1-8", "f572d396\n"),
    ("head -c 16 /dev/urandom | od -An -tx1 | wc -w", "16\n"),
    ("od -An -N4 -tu4 /dev/zero", "          0\n"),
    ("printf 'a\\n' | od -c", "0000000   a  \\n\n0000002\n"),
    ("printf 'abc' | hexdump -C", "00000000  61 62 63" + " " * 42 + "|abc|\n00000003\n"),
    ("printf 'abc' | xxd", "00000000: 6162 63" + " " * 34 + "abc\n"),
    ("dd if=/dev/zero of=/big bs=1M count=2 status=none; wc -c < /big", "2097152\n"),
    ("echo hi > /f; gzip /f; ls /f*; gunzip -c /f.gz", "/f.gz\nhi\n"),
    ("echo hi | gzip | zcat", "hi\n"),
    # Text.
    ("expr 1 + 2 \\* 3; expr length abc; expr abc : 'a.'", "7\n3\n2\n"),
    ("expr 1 - 1; echo $?", "0\n1\n"),
    ("printf 'a\\nb\\n' | tac; echo abc | rev; echo x | nl", "b\na\ncba\n     1\tx\n"),
    ("echo a > /a; echo b > /b; diff /a /b; echo $?", "--- /a\n+++ /b\n@@ -1 +1 @@\n-a\n+b\n1\n"),
    ("echo a > /a; diff /a /a && cmp /a /a && echo same", "same\n"),
    ("echo ab > /a; echo ac > /b; cmp /a /b", "/a /b differ: char 2, line 1\n"),
    ("echo hello | more; echo hello > /f; less /f", "hello\nhello\n"),
    ("printf '%5.2f|%05d|%-3s|%x|%o\\n' 3.14159 42 ab 255 8", " 3.14|00042|ab |ff|10\n"),
    ("seq -s, 1 5; seq -w 8 10; seq 10 -3 1", "1,2,3,4,5\n08\n09\n10\n10\n7\n4\n1\n"),
    ("date -u -d @0; date -d 2024-01-01 +%s; date -d @86400 -I", "Thu Jan  1 00:00:00 UTC 1970\n"
     "1704067200\n1970-01-02\n"),
    ("printf 'b 2\\na 10\\nc 1\\n' | sort -k2 -n", "c 1\nb 2\na 10\n"),
    ("printf 'a:3\\nb:1\\n' | sort -t: -k2,2nr", "a:3\nb:1\n"),
    ("printf '2K\\n1M\\n3\\n' | sort -h; printf 'b\\na\\nb\\n' | sort -ur", "3\n2K\n1M\nb\na\n"),
    ("seq 5 | head -n -2", "1\n2\n3\n"),
    ("echo a | xargs -I{} echo '<{}>'; echo 1 2 3 | xargs -n 2 echo", "<a>\n1 2\n3\n"),
    ("seq 9 | grep -A1 -B 1 -n '[37]'", "2-2\n3:3\n4-4\n--\n6-6\n7:7\n8-8\n"),
    ("mkdir -p /t/u; echo key > /t/u/f; echo no > /t/g; grep -r key /t; grep -rl . /t",
     "/t/u/f:key\n/t/g\n/t/u/f\n"),
    ("printf 'foo\\nfoobar\\n' | grep -w foo; printf 'ab\\nb\\n' | grep -cx b", "foo\n1\n"),
    ("echo 'a1b22' | grep -o '[0-9]\\+'; printf 'x\\ny\\n' | grep -m1 .", "1\n22\nx\n"),
    ("printf 'a\\nb\\nc\\n' | grep -e a -e c; echo 'a|b' | grep 'a|b'; echo b | grep -E 'a|b'",
     "a\nc\na|b\nb\n"),
    ("grep x /none; echo $?; grep -s x /none; echo $?", "2\n2\n"),
    # The network, as far as it needs no peer.
    ("hostname -i", "10.244.1.2 fd00:10:244:1::2\n"),
    ("ip addr show eth0 | head -1 | cut -d: -f2", " eth0@if3\n"),
    ("ip -4 -br addr", "lo               UNKNOWN        127.0.0.1/8\n"
     "eth0@if3         UP             10.244.1.2/24\n"),
    ("ip addr show eth9; echo $?", "1\n"),
    ("ip route get 10.96.0.1", "10.96.0.1 via 10.244.1.1 dev eth0 src 10.244.1.2\n"),
    ("ip route get 10.244.1.9", "10.244.1.9 dev eth0 src 10.244.1.2\n"),
    ("ip route get 10.244.1.2", "local 10.244.1.2 dev lo src 10.244.1.2\n"),
    ("ip -s link show eth0 | tail -1 | awk '{ print $1, $2 }'", "120 2\n"),
    ("route -n | awk 'NR == 3 { print $1, $2, $8 }'", "0.0.0.0 10.244.1.1 eth0\n"),
    ("arp -n", "? (10.244.1.1) at 0a:58:0a:f4:01:01 [ether]  on eth0\n"
     "? (10.244.1.9) at <incomplete> on eth0\n"),
    # Signals and processes.
    ("pgrep sh; pgrep nothing-at-all; echo $?", "1\n1\n"),
    ("kill -TERM 1; echo $?", "0\n"),
    ("timeout 0.01 sleep 5; echo $?", "143\n"),
]  # fmt: skip

ERRORS = [
    ("echo $((1 = 2))", 2, "arithmetic syntax error"),
    ("echo $((1 ? 2))", 2, "arithmetic syntax error"),
    ("echo $((++))", 2, "arithmetic syntax error"),
    ("date -d someday", 1, "date: invalid date 'someday'"),
    ("sort -k x", 1, "sort: invalid sort key 'x'"),
    ("echo a | xargs -n 0 echo", 1, "xargs: invalid number '0'"),
    ("grep '[' /etc/resolv.conf", 1, "grep: "),
    ("expr 1 / 0", 1, "expr: division by zero"),
    ("expr 1 +", 1, "expr: syntax error"),
    ("echo $((2**-1))", 2, "exponent less than 0"),
    ("[[ a == a", 2, "missing ]]"),
    ("dd if=/none", 1, "dd: /none: No such file or directory"),
    ("dd if=/dev/zero bs=1G count=1000", 1, "dd: invalid number '1000'"),
    ("dd if=/dev/zero bs=0 count=1", 1, "dd: invalid number"),
    ("echo no | gunzip", 1, "gunzip: invalid magic"),
    ("od -t z9 /etc/resolv.conf", 1, "od: invalid type string 'z9'"),
    ("cat /dev/zero", 1, "File too large"),
    ("mount /dev/sda /mnt", 1, "permission denied"),
    ("ip route get nonsense", 1, "any valid address is expected"),
    ("pkill '('", 1, "pkill: bad regex"),
    ("telnet 127.0.0.1 x", 1, "telnet: usage"),
    ("nslookup -class=x web", 1, "nslookup: invalid option"),
    ("df /none", 1, "df: /none: No such file or directory"),
    ("watch -n", 1, "watch: "),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("line", "shown"), OUTPUT, ids=lambda text: text[:40])
async def test_a_line_shows(line, shown):
    files = {"/etc/resolv.conf": "nameserver 127.0.0.1\n"}
    _, out, _ = await sh(line, env={"HOSTNAME": "pod-1"}, files=files, network=FakeDualNetwork)
    assert out == shown


@pytest.mark.asyncio
@pytest.mark.parametrize(("line", "status", "said"), ERRORS, ids=lambda text: str(text)[:40])
async def test_a_wrong_line_is_refused(line, status, said):
    found, _, complaint = await sh(line, files={"/etc/resolv.conf": "nameserver 127.0.0.1\n"})
    assert (found, said in complaint) == (status, True), complaint


WEB = "web.default.svc.cluster.local."
ZONE = {
    (WEB, "A"): "10.96.0.80",
    (f"_http._tcp.{WEB}", "SRV"): f"0 100 80 {WEB}",
    ("80.0.96.10.in-addr.arpa.", "PTR"): WEB,
    ("kubernetes.io.", "TXT"): '"v=spf1"',
}


class NameServer(asyncio.DatagramProtocol):
    """Answers from ZONE; a name that it has in another type only has no answer."""

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        asked = question.question[0]
        name, kind = asked.name.to_text(), dns.rdatatype.to_text(asked.rdtype)
        if (name, kind) in ZONE:
            answer.answer.append(dns.rrset.from_text(name, 5, "IN", kind, ZONE[name, kind]))
        elif all(known != name for known, _ in ZONE):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), addr)


@contextlib.asynccontextmanager
async def name_server() -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


FOUND = f"Name:\t{WEB[:-1]}\nAddress: 10.96.0.80\n\n"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("words", "status", "shown"),
    [
        ("-type=a web", 0, FOUND),
        ("-type=A web.default", 0, FOUND),
        ("-query=a -debug -timeout=1 web.default.svc.cluster.local", 0, FOUND),
        ("web.default 127.0.0.1", 0, FOUND),
        ("-type=srv _http._tcp.web", 0,
         f"_http._tcp.{WEB[:-1]}\tservice = 0 100 80 {WEB[:-1]}\n\n"),
        ("10.96.0.80", 0, f"80.0.96.10.in-addr.arpa\tname = {WEB[:-1]}\n\n"),
        ("-type=ptr 80.0.96.10.in-addr.arpa", 0, f"80.0.96.10.in-addr.arpa\tname = {WEB[:-1]}\n\n"),
        ("-type=txt kubernetes.io.", 0, 'kubernetes.io\ttext = "v=spf1"\n\n'),
        ("-type=mx kubernetes.io.", 1, "*** Can't find kubernetes.io.: No answer\n\n"),
        ("-type=a nowhere.", 1, "** server can't find nowhere.: NXDOMAIN\n\n"),
    ],
)  # fmt: skip
async def test_nslookup_asks_name_servers(words, status, shown):
    resolv = "nameserver 127.0.0.1\nsearch default.svc.cluster.local svc.cluster.local\n"
    files = {"/etc/resolv.conf": f"{resolv}options ndots:5\n"}
    async with name_server() as port:
        found, out, _ = await sh(f"nslookup -port={port} {words}", files=files)
    head = f"Server:\t\t127.0.0.1\nAddress:\t127.0.0.1:{port}\n\n"
    assert (found, out) == (status, head + shown)


@pytest.mark.asyncio
async def test_telnet_shows_what_a_server_says():
    async def greet(_reader, writer):
        writer.write(b"220 welcome\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        status, out, said = await sh(f"telnet 127.0.0.1 {port}")
    assert (status, out) == (1, "Connected to 127.0.0.1\n220 welcome\n")
    assert said == "Connection closed by foreign host\n"


@pytest.mark.asyncio
async def test_watch_runs_a_line_again_and_again():
    _, out, _ = await sh("timeout 0.35 watch -n 0.1 'echo tick | tr a-z A-Z'")
    assert out.count("TICK\n") >= 2
    assert out.startswith("Every 0.1s: echo tick")
