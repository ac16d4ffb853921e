"""Connections as conntrack(8) prints them."""

from __future__ import annotations

import pytest

from podwire.cli.conntrack_table import connections, event, matching


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
        ({}, 2),
        ({"protocol": "tcp"}, 1),
        ({"source": "10.244.1.5"}, 2),
        ({"destination": "10.244.2.5"}, 0),
        ({"destination": "10.96.0.10", "port": 80}, 2),
        ({"port": 53}, 0),
    ],
)
def test_filters_look_at_the_original_direction(wanted, count):
    assert len(matching([ROW, {**ROW, "protocol": "UDP"}], **wanted)) == count
