"""Connections as conntrack(8) prints them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from ipaddress import ip_network

import pytest

from podwire.cli.conntrack_table import Selection, connections, event


def flow(source, destination, source_port, destination_port):
    return {
        "source": source,
        "source_port": source_port,
        "destination": destination,
        "destination_port": destination_port,
    }


ASKED, ANSWERED = (
    flow("10.244.1.5", "10.96.0.10", 4000, 80),
    flow("10.244.2.5", "10.244.1.5", 8080, 4000),
)
ROW = {
    "protocol": "TCP", "state": "ESTABLISHED", "timeout_s": 86400, "original": ASKED,
    "reply": ANSWERED, "assured": True, "unreplied": False,
}  # fmt: skip
SHOWN = (
    "src=10.244.1.5 dst=10.96.0.10 sport=4000 dport=80 "
    "src=10.244.2.5 dst=10.244.1.5 sport=8080 dport=4000 [ASSURED]"
)


def test_a_whole_table_reads_as_conntrack_list():
    udp = {**ROW, "protocol": "UDP", "state": "", "timeout_s": 29, "assured": False,
           "unreplied": True}  # fmt: skip
    echo = {**ROW, "protocol": "ICMP", "state": "", "timeout_s": 9, "assured": False,
            "original": flow("10.244.1.5", "10.244.2.5", 7, 7),
            "reply": flow("10.244.2.5", "10.244.1.5", 7, 7)}  # fmt: skip
    other = {**ROW, "protocol": "47", "state": "", "timeout_s": 600, "assured": False,
             "original": flow("10.0.0.1", "10.0.0.2", 0, 0),
             "reply": flow("10.0.0.2", "10.0.0.1", 0, 0)}  # fmt: skip
    assert connections([ROW, udp, echo, other]) == [
        f"tcp      6 86400 ESTABLISHED {SHOWN}",
        "udp      17 29 src=10.244.1.5 dst=10.96.0.10 sport=4000 dport=80 [UNREPLIED] "
        "src=10.244.2.5 dst=10.244.1.5 sport=8080 dport=4000",
        "icmp     1 9 src=10.244.1.5 dst=10.244.2.5 type=8 code=0 id=7 "
        "src=10.244.2.5 dst=10.244.1.5 type=0 code=0 id=7",
        "unknown  47 600 src=10.0.0.1 dst=10.0.0.2 src=10.0.0.2 dst=10.0.0.1",
    ]


def test_events_read_as_conntrack_events():
    told = {**ROW, "at_ns": 1_700_000_000_000_042_000}
    assert event({**told, "event": "NEW"}) == f"    [NEW] tcp      6 86400 ESTABLISHED {SHOWN}"
    assert event({**told, "event": "DESTROY"}) == f"[DESTROY] tcp      6 ESTABLISHED {SHOWN}"
    assert event({**told, "event": "UPDATE"}, timestamps=True) == (
        f"[1700000000.000042]\t [UPDATE] tcp      6 86400 ESTABLISHED {SHOWN}"
    )


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 3),
        ({"protocol": "tcp"}, 1),
        ({"source": ip_network("10.244.1.5")}, 2),
        ({"source": ip_network("10.244.0.0/16")}, 2),
        ({"source": ip_network("fd00::/8")}, 1),
        ({"destination": ip_network("10.244.2.5")}, 0),
        ({"reply_source": ip_network("10.244.2.0/24")}, 2),
        ({"reply_destination": ip_network("10.244.2.0/24")}, 0),
        ({"destination": ip_network("10.96.0.10"), "dport": 80}, 2),
        ({"dport": 53}, 0),
        ({"sport": 4000}, 3),
        ({"state": "ESTABLISHED"}, 1),
        ({"family": 6}, 1),
        ({"destination_translated": True}, 2),
        ({"source_translated": True}, 1),
    ],
)
def test_selections_look_at_what_they_name(wanted, count):
    six, back = flow("fd00::5", "fd00::9", 4000, 80), flow("fd00::9", "fd00::1", 80, 7)
    rows = [
        ROW,
        {**ROW, "protocol": "UDP", "state": ""},
        {**ROW, "protocol": "UDP", "state": "", "original": six, "reply": back},
    ]
    assert len(Selection(**wanted).matching(rows)) == count


def test_a_table_is_what_conntrack_prints():
    """The same connections, printed by both; marks and use counts we have none of."""
    if shutil.which("conntrack") is None or shutil.which("unshare") is None:
        pytest.skip("conntrack or unshare is not installed")
    unshare = ["unshare", "-Urn" if os.geteuid() else "-n"]
    done = subprocess.run(
        [*unshare, sys.executable, "-c", TRAFFIC], capture_output=True, text=True, check=False
    )
    if done.returncode or not done.stdout.strip():
        pytest.skip(f"nothing is tracked in a network namespace here: {done.stderr[-300:]}")
    said = done.stdout.replace(" mark=0 use=1", "").splitlines()
    rows = []
    for line in said:
        words = dict(re.findall(r"(\w+)=(\S+)", line.split("src=")[1].join(("src=", ""))))
        ports = [int(number) for number in re.findall(r"(?:sport|dport|id)=(\d+)", line)]
        ports = ports if len(ports) == 4 else [ports[0], ports[0], ports[1], ports[1]]
        address = words["src"]
        rows.append({
            "protocol": line.split()[0].upper(), "timeout_s": int(line.split()[2]),
            "state": line.split()[3] if line.startswith("tcp") else "",
            "original": flow(address, address, ports[0], ports[1]),
            "reply": flow(address, address, ports[2], ports[3]),
            "assured": "[ASSURED]" in line, "unreplied": "[UNREPLIED]" in line,
        })  # fmt: skip
    assert connections(rows) == said
    assert {row["protocol"] for row in rows} == {"TCP", "UDP"}


TRAFFIC = """
import socket, subprocess
run = lambda words: subprocess.run(words.split(), check=True, stdout=subprocess.DEVNULL)
run("ip link set lo up")
run("iptables -A INPUT -m conntrack --ctstate NEW -j ACCEPT")
listener = socket.create_server(("127.0.0.1", 0))
connection = socket.create_connection(listener.getsockname())
ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
for end in ends:
    end.bind(("127.0.0.1", 0))
ends[0].sendto(b"x", ends[1].getsockname())
ends[1].sendto(b"x", ends[0].getsockname())
ends[2].sendto(b"x", ends[1].getsockname())
subprocess.run(["conntrack", "-L"], check=True, stderr=subprocess.DEVNULL)
"""
