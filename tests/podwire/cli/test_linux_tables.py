"""Tables in the words of the Linux tools."""

from __future__ import annotations

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


def test_conntrack_reads_as_conntrack_list() -> None:
    flow = {"source": "1.1.1.1", "destination": "2.2.2.2", "source_port": 1, "destination_port": 2}
    row = {"protocol": "TCP", "state": "established", "timeout_s": 86400, "original": flow,
           "reply": flow, "assured": True, "unreplied": False}  # fmt: skip
    shown = "src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2"
    assert linux_tables.conntrack([row]) == [
        f"tcp      6 86400 ESTABLISHED {shown} {shown} [ASSURED]"
    ]


def test_services_show_their_endpoints_or_why_there_are_none() -> None:
    rows = [
        {"service": "default/web:http", "address": "10.96.0.7", "port": 80, "protocol": "TCP",
         "backends": [{"address": "10.244.1.2", "port": 8080, "node": "node-1"}],
         "on_empty": "reject"},
        {"service": "default/web:http", "address": "", "port": 30080, "protocol": "TCP",
         "backends": [], "on_empty": "reject"},
    ]  # fmt: skip
    assert linux_tables.services(rows) == [
        "TCP  10.96.0.7:80  default/web:http",
        "  -> 10.244.1.2:8080  on node-1",
        "TCP  *:30080  default/web:http",
        "  -> none: reject",
    ]


def test_links_show_counters_and_drops() -> None:
    row = {"name": "veth1", "kind": "veth", "mac": "aa:00:00:00:00:01", "address": "10.244.1.2/24",
           "mtu": 1450, "connected": False, "rx_packets": 1, "rx_octets": 2, "tx_packets": 3,
           "tx_octets": 4, "drops": {"queue full": 5}}  # fmt: skip
    assert linux_tables.links([row]) == [
        "veth1: <NO-CARRIER> mtu 1450 veth aa:00:00:00:00:01 inet 10.244.1.2/24",
        "    RX: 1 packets 2 bytes  TX: 3 packets 4 bytes",
        "    dropped 5: queue full",
    ]


def test_links_show_no_counter_that_nobody_counts() -> None:
    none = {"mac": "aa:00:00:00:00:01", "address": "", "connected": True, "drops": {},
            "rx_packets": 7, "rx_octets": 0, "tx_packets": 8, "tx_octets": 0}  # fmt: skip
    rows = [
        {**none, "name": "cni0", "kind": "bridge", "mtu": 1450},
        {**none, "name": "flannel.1", "kind": "vxlan", "mtu": 1450},
    ]
    assert linux_tables.links(rows) == [
        "cni0: <UP> mtu 1450 bridge aa:00:00:00:00:01",
        "flannel.1: <UP> mtu 1450 vxlan aa:00:00:00:00:01",
        "    RX: 7 packets  TX: 8 packets",
    ]


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
