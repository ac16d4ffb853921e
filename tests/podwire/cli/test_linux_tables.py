"""Tables in the words of the Linux tools."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from podwire.cli import linux_tables


def test_routes_read_as_ip_route() -> None:
    rows = [
        {"destination": "10.244.2.0/24", "device": "flannel.1", "via": "10.244.2.0", "onlink": True,
         "protocol": "static"},
        {"destination": "10.244.1.0/24", "device": "cni0", "via": None, "onlink": False,
         "protocol": "kernel"},
        {"destination": "0.0.0.0/0", "device": "eth0", "via": "192.168.64.254", "onlink": False,
         "protocol": "static"},
    ]  # fmt: skip
    assert linux_tables.routes(rows) == [
        "10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink",
        "10.244.1.0/24 dev cni0 proto kernel scope link",
        "default via 192.168.64.254 dev eth0",
    ]


def test_neighbours_read_as_ip_neigh() -> None:
    row = {"address": "10.244.2.0", "device": "flannel.1", "mac": "aa:00:00:00:00:01",
           "state": "PERMANENT"}  # fmt: skip
    assert linux_tables.neighbours([row]) == [
        "10.244.2.0 dev flannel.1 lladdr aa:00:00:00:00:01 PERMANENT"
    ]


def test_fdb_reads_as_bridge_fdb() -> None:
    rows = [
        {"mac": "aa:00:00:00:00:01", "device": "flannel.1", "remote": "192.168.64.2"},
        {"mac": "aa:00:00:00:00:02", "device": "veth1", "master": "cni0"},
    ]
    assert linux_tables.fdb(rows) == [
        "aa:00:00:00:00:01 dev flannel.1 dst 192.168.64.2 self permanent",
        "aa:00:00:00:00:02 dev veth1 master cni0",
    ]


def test_routes_name_their_kind_metric_and_source() -> None:
    rows = [
        {"destination": "10.244.1.0/24", "device": "cni0", "via": None, "onlink": False,
         "protocol": "kernel", "type": "unicast", "metric": 0},
        {"destination": "10.9.0.0/24", "device": "", "via": None, "onlink": False,
         "protocol": "static", "type": "blackhole", "metric": 0},
        {"destination": "::/0", "device": "eth0", "via": "fd00::1", "onlink": False,
         "protocol": "static", "type": "unicast", "metric": 1024},
    ]  # fmt: skip
    addresses = [
        {"address": "192.168.64.1/24", "device": "eth0"},
        {"address": "10.244.1.1/24", "device": "cni0"},
    ]
    assert linux_tables.routes(rows, addresses) == [
        "10.244.1.0/24 dev cni0 proto kernel scope link src 10.244.1.1",
        "blackhole 10.9.0.0/24",
        "default via fd00::1 dev eth0 metric 1024",
    ]


def test_a_neighbour_that_did_not_answer_has_no_address() -> None:
    row = {"address": "10.244.1.9", "device": "cni0", "mac": "00:00:00:00:00:00",
           "state": "INCOMPLETE"}  # fmt: skip
    assert linux_tables.neighbours([row]) == ["10.244.1.9 dev cni0 INCOMPLETE"]


def test_services_show_their_endpoints_and_who_uses_them() -> None:
    rows = [
        {"service": "default/web:http", "address": "10.96.0.7", "port": 80, "protocol": "TCP",
         "backends": [{"address": "10.244.1.2", "port": 8080, "node": "node-1"}],
         "on_empty": "reject", "masquerade": "off-cluster", "affinity_s": 10800},
        {"service": "default/web:http", "address": "", "port": 30080, "protocol": "TCP",
         "backends": [], "on_empty": "reject", "listening": False, "error": "in use"},
    ]  # fmt: skip
    through = {
        "protocol": "TCP",
        "original": {"destination": "10.96.0.7", "destination_port": 80},
        "reply": {"source": "10.244.1.2", "source_port": 8080},
    }
    elsewhere = {**through, "original": {"destination": "10.96.0.8", "destination_port": 80}}
    connections = [
        {**through, "state": "ESTABLISHED"},
        {**through, "state": "ESTABLISHED"},
        {**through, "state": "TIME_WAIT"},
        {**elsewhere, "state": "ESTABLISHED"},
    ]
    assert linux_tables.services(rows, connections) == [
        "Prot LocalAddress:Port  Service  Flags",
        "  -> RemoteAddress:Port          Node             ActiveConn InActConn",
        "TCP  10.96.0.7:80  default/web:http  masq off-cluster, persistent 10800",
        "  -> 10.244.1.2:8080             node-1                    2         1",
        "TCP  *:30080  default/web:http  not listening: in use",
        "  -> none: reject",
    ]


def test_links_read_as_ip_s_link_with_the_reasons_of_drops() -> None:
    row = {"name": "veth1", "kind": "veth", "mac": "aa:00:00:00:00:01", "address": "10.244.1.2/24",
           "mtu": 1450, "connected": False, "rx_packets": 1, "rx_octets": 1234567890123,
           "tx_packets": 3, "tx_octets": 4,
           "drops": {"full-ring": 5, "malformed-frame": 2}}  # fmt: skip
    assert linux_tables.links([row]) == [
        "1: veth1: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1450 qdisc noqueue master cni0 "
        "state DOWN mode DEFAULT group default",
        "    link/ether aa:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff",
        "    alias pod 10.244.1.2/24",
        "    RX:     bytes packets errors dropped  missed   mcast",
        "    1234567890123       1      0       2       0       0",
        "    TX:     bytes packets errors dropped carrier collsns",
        "                4       3      0       5       0       0",
        "    dropped 5: full-ring",
        "    dropped 2: malformed-frame",
    ]


def test_links_show_no_counter_that_nobody_counts() -> None:
    none = {"mac": "aa:00:00:00:00:01", "address": "", "connected": True, "drops": {},
            "rx_packets": 7, "rx_octets": 0, "tx_packets": 8, "tx_octets": 0}  # fmt: skip
    rows = [
        {**none, "name": "cni0", "kind": "bridge", "mtu": 1450},
        {**none, "name": "flannel.1", "kind": "vxlan", "mtu": 1450},
    ]
    lines = linux_tables.links(rows)
    assert [line.split() for line in (lines[3], lines[9])] == [
        ["-", "-", "0", "0", "0", "0"],
        ["-", "7", "0", "0", "0", "0"],
    ]


def test_the_table_of_links_is_iproute2s_own() -> None:
    """The same numbers, printed by both."""
    if shutil.which("ip") is None:
        pytest.skip("iproute2 is not installed")
    shown = subprocess.run(["ip", "-s", "link", "show", "lo"], capture_output=True, text=True,
                           check=True).stdout.splitlines()  # fmt: skip
    theirs = [line.rstrip() for line in shown[2:6]]
    received, sent = theirs[1].split(), theirs[3].split()
    assert linux_tables.statistics(received, sent) == theirs


def test_drops_name_place_and_reason() -> None:
    counters = {
        "drops": {"ip-martian": 1, "foreign-vni": 30},
        "stack_drops": {},
        "outside_drops": {"tcp-checksum": 2},
        "link_drops": {"veth1": {"full-ring": 7}},
    }
    assert linux_tables.drops(counters) == [
        "        30  foreign-vni  (node)",
        "         1  ip-martian  (node)",
        "         2  tcp-checksum  (outside)",
        "         7  full-ring  (link veth1)",
    ]
    nothing = {"drops": {}, "stack_drops": {}, "outside_drops": {}, "link_drops": {}}
    assert linux_tables.drops(nothing) == ["nothing was dropped"]
