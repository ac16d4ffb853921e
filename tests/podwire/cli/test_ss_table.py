"""Sockets as ss(8) prints them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from podwire.cli.ss_table import sockets, summary, summary_lines

INFO = {
    "congestion": "cubic", "timestamps": True, "sack": True, "ecn": True,
    "wscale_send": 7, "wscale_receive": 5,
    "rto_ms": 204.0, "rtt_ms": 1.25, "rttvar_ms": 0.5, "mss": 1398, "cwnd": 10, "backoff": 0,
    "unacked_octets": 1500, "sacked_octets": 0, "unsent_octets": 0, "snd_wnd": 65535,
    "recovery": "", "minrtt_ms": 0.875, "bytes_sent": 1600, "bytes_retrans": 0, "bytes_acked": 100,
    "bytes_received": 0, "segs_out": 4, "segs_in": 3, "lost_octets": 0, "retrans_now_octets": 0,
    "retrans_total": 0, "pmtu": 1450, "lastsnd_ms": 12, "lastrcv_ms": 3400, "lastack_ms": 0,
}  # fmt: skip


def row(protocol, state, queues, local, remote, **more):
    return {"protocol": protocol, "state": state, "recv_q": queues[0], "send_q": queues[1],
            "local": local, "remote": remote, **more}  # fmt: skip


def test_a_whole_table_reads_as_ss():
    rows = [
        row("udp", "UNCONN", (0, 0), "*:53", "*:*"),
        row("tcp", "LISTEN", (1, 128), "[::1]:8080", "*:*"),
        row("tcp", "ESTAB", (0, 1500), "10.244.1.5:40000", "10.244.2.5:80", info=INFO),
    ]
    assert sockets(rows) == [
        "Netid State  Recv-Q Send-Q Local Address:Port  Peer Address:Port",
        "udp   UNCONN 0      0                  *:53               *:*",
        "tcp   LISTEN 1      128            [::1]:8080             *:*",
        "tcp   ESTAB  0      1500      10.244.1.5:40000   10.244.2.5:80",
    ]
    assert sockets(rows, internals=True)[4] == (
        "\t ts sack ecn cubic wscale:7,5 rto:204 rtt:1.25/0.5 mss:1398 pmtu:1450 cwnd:10 "
        "bytes_sent:1600 bytes_acked:100 segs_out:4 segs_in:3 send 89472000bps lastsnd:12 "
        "lastrcv:3400 unacked:2 minrtt:0.875 snd_wnd:65535"
    )


def test_a_lossy_connection_says_so():
    info = {**INFO, "backoff": 3, "ssthresh": 2, "cwnd": 1, "recovery": "loss",
            "sacked_octets": 1398, "unsent_octets": 7, "lost_octets": 1399, "retrans_total": 5,
            "retrans_now_octets": 1398, "bytes_retrans": 6990}  # fmt: skip
    (_, _, said) = sockets([row("tcp", "ESTAB", (0, 0), "a:1", "b:2", info=info)], internals=True)
    for words in ("backoff:3", "ssthresh:2", "cwnd:1 ", "lost:2", "sacked:1", "retrans:1/5",
                  "bytes_retrans:6990", "notsent:7"):  # fmt: skip
        assert words in said


SOCKETS = """
import socket, subprocess
subprocess.run("ip link set lo up".split(), check=True)
listeners = [
    socket.create_server(("127.0.0.1", 0)),
    socket.create_server(("0.0.0.0", 8080), backlog=7),
    socket.create_server(("::", 8081), family=socket.AF_INET6, dualstack_ipv6=True),
]
near, closing = [socket.create_connection(listeners[0].getsockname()) for _ in range(2)]
far, other = [listeners[0].accept()[0] for _ in range(2)]
closing.shutdown(socket.SHUT_WR)
other.close()
closing.close()  # TIME-WAIT.
six = socket.create_connection(("::1", 8081))
near.sendall(bytes(5000))
datagrams = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
datagrams[0].bind(("0.0.0.0", 53))
datagrams[1].connect(("127.0.0.1", 53))
for words in ("-tuan", "-tan", "-s"):
    print("===", flush=True)
    subprocess.run(["ss", words], check=True)
"""


@pytest.fixture(scope="module")
def linux():
    """Return what ss says in a network namespace with some sockets: -tuan, -tan and -s."""
    if shutil.which("ss") is None or shutil.which("unshare") is None:
        pytest.skip("iproute2 or unshare is not installed")
    done = subprocess.run(
        ["unshare", "-Urn" if os.geteuid() else "-n", sys.executable, "-c", SOCKETS],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"no network namespace is to be had here: {done.stderr[-300:]}")
    return [part.strip("\n").splitlines() for part in done.stdout.split("===")[1:]]


def read(lines, *protocol):
    """Return rows of what ss prints; *protocol* where it has no column of it."""
    return [row(*protocol, *line.split()[:-4], line.split()[-4:-2], *line.split()[-2:])
            for line in lines]  # fmt: skip


def test_tables_are_what_ss_prints(linux):
    """But for the column of processes, which are nobody's."""
    for shown, protocol, with_protocol in ((linux[0], [], True), (linux[1], ["tcp"], False)):
        rows = read(shown[1:], *protocol)
        assert len(rows) >= 8
        width = shown[0].index("Process")
        theirs = [line[:width].rstrip() for line in shown]
        assert sockets(rows, with_protocol=with_protocol) == theirs


def test_the_summary_is_what_ss_prints(linux):
    rows = read(linux[0][1:])
    assert any(each["state"] == "TIME-WAIT" for each in rows)
    theirs = [line.rstrip() for line in linux[2] if not line.startswith(("RAW", "FRAG"))]
    ours = summary_lines(summary(rows))
    assert ours[2:] == theirs[2:]
    numbers, theirs_numbers = (re.findall(r"\d+", lines[1]) for lines in (ours, theirs))
    assert numbers[1] == theirs_numbers[1]  # Established.
    assert numbers[4] == theirs_numbers[4]  # TIME-WAIT; Linux counts orphans of all namespaces.


def test_a_summary_counts_what_is_over_apart():
    rows = [
        row("tcp", "ESTAB", (0, 0), "10.244.1.5:80", "10.244.2.5:9", orphaned=False),
        row("tcp", "TIME-WAIT", (0, 0), "10.244.1.5:80", "10.244.2.5:8", orphaned=False),
        row("tcp", "LISTEN", (0, 128), "*:80", "*:*"),
    ]
    counts = summary(rows)
    assert counts["tcp"] == {"total": 3, "estab": 1, "closed": 1, "orphaned": 0, "timewait": 1}
    assert counts["transport"]["tcp"] == {"total": 2, "ip": 1, "ipv6": 1}
    assert counts["transport"]["inet"] == counts["transport"]["tcp"]
    assert counts["total"] == 2
