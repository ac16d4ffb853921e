"""Sockets as ss(8) prints them."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from podwire.cli.ss_table import sockets

INFO = {
    "congestion": "cubic", "timestamps": True, "sack": True, "wscale_send": 7, "wscale_receive": 5,
    "rto_ms": 204.0, "rtt_ms": 1.25, "rttvar_ms": 0.5, "mss": 1398, "cwnd": 10, "backoff": 0,
    "unacked_octets": 1500, "sacked_octets": 0, "unsent_octets": 0, "snd_wnd": 65535,
    "recovery": "", "minrtt_ms": 0.875,
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
        "\t ts sack cubic wscale:7,5 rto:204 rtt:1.25/0.5 mss:1398 cwnd:10 unacked:2 "
        "minrtt:0.875 snd_wnd:65535"
    )


def test_a_lossy_connection_says_so():
    info = {**INFO, "backoff": 3, "ssthresh": 2, "cwnd": 1, "recovery": "loss",
            "sacked_octets": 1398, "unsent_octets": 7}  # fmt: skip
    (_, _, said) = sockets([row("tcp", "ESTAB", (0, 0), "a:1", "b:2", info=info)], internals=True)
    for words in ("backoff:3", "ssthresh:2", "cwnd:1 ", "sacked:1", "ca_state:loss", "notsent:7"):
        assert words in said


def test_columns_are_where_ss_has_them():
    """The same sockets, printed by both; ss pads columns as it likes, so words are compared."""
    if shutil.which("ss") is None:
        pytest.skip("iproute2 is not installed")
    shown = subprocess.run(["ss", "-tuan"], capture_output=True, text=True, check=True).stdout
    head, *lines = shown.splitlines()
    rows = []
    for line in lines:
        protocol, state, received, sent, local, remote, *_ = line.split()
        rows.append(row(protocol, state, (received, sent), local, remote))
    ours = sockets(rows)
    assert ours[0].split() == head.split()[: len(ours[0].split())]
    assert [line.split() for line in ours[1:]] == [line.split()[:6] for line in lines]
