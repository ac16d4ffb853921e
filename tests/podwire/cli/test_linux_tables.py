"""Services in the words of ipvsadm, and drops."""

from __future__ import annotations

from podwire.cli import linux_tables


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


def test_a_node_port_of_ipv6_counts_whoever_came_by_any_address() -> None:
    rows = [
        {"service": "default/web:http", "address": "::", "port": 30080, "protocol": "TCP",
         "backends": [{"address": "fd00:10:244:1::2", "port": 8080, "node": "node-1"}],
         "on_empty": "reject"},
    ]  # fmt: skip
    through = {
        "protocol": "TCP",
        "state": "ESTABLISHED",
        "original": {"destination": "fd00:192:168:64::1", "destination_port": 30080},
        "reply": {"source": "fd00:10:244:1::2", "source_port": 8080},
    }
    assert linux_tables.services(rows, [through])[2:] == [
        "TCP  [::]:30080  default/web:http",
        "  -> [fd00:10:244:1::2]:8080     node-1                    1         0",
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


def test_services_show_policies_schedulers_and_who_drains() -> None:
    ends = [{"address": f"10.244.1.{n}", "port": 80, "node": "node-1"} for n in (5, 6)]
    row = {
        "address": "203.0.113.1",
        "port": 80,
        "protocol": "TCP",
        "service": "default/web",
        "backends": ends,
        "local_backends": ends[:1],
        "source_ranges": ["192.0.2.0/24"],
        "scheduler": "rr",
        "masquerade": "never",
        "on_empty": "drop",
        "draining": [{"address": "10.244.1.7", "port": 80, "weight": 0}],
    }
    lines = linux_tables.services([row])
    assert lines[2:] == [
        "TCP  203.0.113.1:80  default/web  rr, external policy Local, from 192.0.2.0/24",
        "  -> 10.244.1.5:80               node-1                    0         0",
        "  -> 10.244.1.6:80               node-1                    0         0  from inside only",
        "  -> 10.244.1.7:80               -                         0         0  weight 0: drains",
    ]
    guard = {**row, "address": "10.96.0.9", "port": 0, "backends": [], "local_backends": None}
    assert linux_tables.services([{**guard, "draining": [], "on_empty": "reject"}])[2:] == [
        "TCP  10.96.0.9:*  default/web  rr, from 192.0.2.0/24",
        "  -> none: reject",
    ]
    nobody = linux_tables.services([{**row, "local_backends": [], "draining": []}])
    assert nobody[-1] == "  -> none for who comes from outside: drop"


def test_services_show_who_is_retained_and_where_balancers_ask() -> None:
    row = {
        "address": "10.96.0.9",
        "port": 53,
        "protocol": "UDP",
        "service": "default/dns",
        "backends": [],
        "retained": [{"address": "10.244.1.5", "port": 53, "node": "node-1"}],
        "on_empty": "reject",
    }
    asked = {"protocol": "TCP", "port": 31033, "service": "default/web"}
    assert linux_tables.services([row], [], [asked])[2:] == [
        "UDP  10.96.0.9:53  default/dns",
        "  -> 10.244.1.5:53               node-1                    0         0"
        "  retained: gets nobody new",
        "  -> none: reject",
        "TCP  *:31033  default/web  healthCheckNodePort",
    ]
