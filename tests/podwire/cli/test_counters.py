"""Counters with their meanings, and that every reason for a drop has one."""

from __future__ import annotations

import pytest

from netdev.underlay import UnderlayDrop
from netstack.drops import DropReason as StackDropReason
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.uplinks import ImpairmentDrop
from podwire.cli import counters
from podwire.cli.drop_reasons import REASONS

LINKS = [
    {"name": "veth1", "kind": "veth", "drops": {"full-ring": 7}, "rx_packets": 10,
     "rx_octets": 1000, "tx_packets": 0, "tx_octets": 0},
    {"name": "flannel.1", "kind": "vxlan", "drops": {}, "rx_packets": 3, "rx_octets": 0,
     "tx_packets": 4, "tx_octets": 0},
    {"name": "eth0", "kind": "device", "drops": {}, "rx_packets": 0, "rx_octets": 0,
     "tx_packets": 0, "tx_octets": 0},
]  # fmt: skip
COUNTED = {
    "drops": {"service-no-endpoints": 2}, "stack_drops": {"tcp_no_socket": 1}, "outside_drops": {},
    "conntrack": 5, "flows": 2, "policies": {"ingress default/deny": 3},
}  # fmt: skip


@pytest.mark.parametrize("kind", [DropReason, StackDropReason, UnderlayDrop, ImpairmentDrop])
def test_every_reason_says_what_it_means(kind):
    assert not [reason.value for reason in kind if not REASONS.get(reason.value)]


def test_meanings_are_one_short_line():
    assert not [text for text in REASONS.values() if len(text) > 74 or "\n" in text]


def test_the_whole_table():
    rows = counters._flat(LINKS, COUNTED)
    assert counters.table(rows, None, with_zero=False) == [
        "flannel.1:",
        "  rx_packets                              3",
        "  tx_packets                              4",
        "veth1:",
        "  rx_packets                             10",
        "  rx_octets                            1000",
        "  drop full-ring                          7",
        "      the pod does not take its packets fast enough: it is busy or stopped",
        "node:",
        "  conntrack                               5",
        "  flows                                   2",
        "  drop service-no-endpoints               2",
        "      a Service without ready endpoints: podwire get endpoints",
        "node's own stack:",
        "  drop tcp_no_socket                      1",
        "      nobody listens at that TCP port, or the connection is gone: reset",
        "policies:",
        "  drop ingress default/deny               3",
    ]
    assert all(len(line) <= 80 for line in counters.table(rows, None, with_zero=True))


def test_rates_are_of_the_time_between():
    before = {("veth1", "rx_packets"): 10}
    rows = {("veth1", "rx_packets"): 30, ("node", "drop ip-martian"): 4}
    rates = counters._rates(before, rows, 2.0)
    assert rates == {("veth1", "rx_packets"): 10.0, ("node", "drop ip-martian"): 2.0}
    assert counters.table(rows, rates, with_zero=False)[1].endswith("30       10.0/s")


def test_programs_get_the_same():
    rows = counters.as_json(counters._flat(LINKS, COUNTED))
    (drop,) = [row for row in rows if row["counter"] == "full-ring"]
    assert (drop["place"], drop["drop"], drop["value"]) == ("veth1", True, 7)
    assert drop["meaning"]
