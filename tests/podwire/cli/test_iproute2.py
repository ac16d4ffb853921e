"""Routes, neighbours, the forwarding database and links as iproute2 itself prints them.

Whatever podwire prints is held against `ip` and `bridge` in a network namespace that holds the same
tables; blanks at the ends of lines are not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from podwire.cli import iproute2

NODE = """
ip link add cni0 address 0a:57:c0:a8:40:01 type bridge
ip link set cni0 up
ip address add 10.244.1.1/24 dev cni0
ip -6 address add fd00:10:244:1::1/64 dev cni0 nodad
ip link add veth00000001 type veth peer name pod
ip link set veth00000001 master cni0 up
ip link set pod up
ip link add eth0 type veth peer name far
ip link set far up
ip link set eth0 up
ip address add 192.168.64.1/24 dev eth0
ip link add flannel.1 type vxlan id 1 local 192.168.64.1 dev eth0 dstport 4789 nolearning
ip link set flannel.1 up
ip route add 10.244.3.0/24 via 10.244.3.0 dev flannel.1 onlink metric 5
ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
ip -6 route add fd00:10:244:2::/64 via fd00:10:244:2:: dev flannel.1 onlink
ip route add 192.168.66.0/24 dev eth0
ip route add 192.168.65.7 dev eth0 metric 20
ip route add default via 192.168.64.254 dev eth0
ip route add blackhole 10.9.0.0/16
ip route add unreachable 10.8.0.0/16 metric 7
ip -6 route add prohibit fd00:9::/64
ip neigh replace 10.244.2.0 lladdr 0e:00:00:00:00:02 dev flannel.1 nud permanent
ip neigh replace 10.244.1.6 lladdr 0a:58:0a:f4:01:06 dev cni0 nud stale
bridge fdb append 0e:00:00:00:00:02 dev flannel.1 dst 192.168.64.2
bridge fdb add 0a:58:0a:f4:01:05 dev veth00000001 master dynamic
"""


def route(destination, device="", via=None, **more):
    return {"destination": destination, "device": device, "via": via, "onlink": False,
            "protocol": "static", "type": "unicast", "metric": 0, **more}  # fmt: skip


ROUTES = [
    route("192.168.64.0/24", "eth0", protocol="kernel"),
    route("10.244.1.0/24", "cni0", protocol="kernel"),
    route("fd00:10:244:1::/64", "cni0", protocol="kernel"),
    route("10.244.3.0/24", "flannel.1", "10.244.3.0", onlink=True, metric=5),
    route("10.244.2.0/24", "flannel.1", "10.244.2.0", onlink=True),
    route("fd00:10:244:2::/64", "flannel.1", "fd00:10:244:2::", onlink=True),
    route("192.168.66.0/24", "eth0"),
    route("192.168.65.7/32", "eth0", metric=20),
    route("0.0.0.0/0", "eth0", "192.168.64.254"),
    route("10.9.0.0/16", type="blackhole"),
    route("10.8.0.0/16", type="unreachable", metric=7),
    route("fd00:9::/64", type="prohibit"),
]
ADDRESSES = [
    {"address": "192.168.64.1/24", "device": "eth0"},
    {"address": "10.244.1.1/24", "device": "cni0"},
    {"address": "fd00:10:244:1::1/64", "device": "cni0"},
]
NEIGHBOURS = [
    {"address": "10.244.2.0", "device": "flannel.1", "mac": "0e:00:00:00:00:02",
     "state": "PERMANENT"},
    {"address": "10.244.1.6", "device": "cni0", "mac": "0a:58:0a:f4:01:06", "state": "STALE"},
]  # fmt: skip
FDB = [
    {"mac": "0a:58:0a:f4:01:05", "device": "veth00000001", "master": "cni0", "learned": True},
    {"mac": "0e:00:00:00:00:02", "device": "flannel.1", "remote": "192.168.64.2"},
]
LINK = {"name": "veth1", "kind": "veth", "mac": "aa:00:00:00:00:01", "address": "10.244.1.2/24",
        "address6": "fd00:10:244:1::2/64", "mtu": 1450, "connected": False,
        "rx_packets": 1, "rx_octets": 1234567890123, "tx_packets": 3, "tx_octets": 4,
        "drops": {"full-ring": 5, "malformed-frame": 2}}  # fmt: skip


#: The kernel's own multicast is counted, too: both forms must be of one moment.
UNCHANGED = """
for try in 1 2 3 4 5 6 7 8 9 10; do
    before=$(ip -j -s link show dev flannel.1)
    lines=$(ip -s link show dev flannel.1)
    [ "$before" = "$(ip -j -s link show dev flannel.1)" ] && break
done"""


@pytest.fixture(scope="module")
def linux():
    """Return a function that says what a Linux node with these tables prints."""
    if not all(map(shutil.which, ("ip", "bridge", "unshare"))):
        pytest.skip("iproute2 or unshare is not installed")
    asked = {
        "route": "ip route; ip -6 route",
        "route-json": "ip -j route; ip -6 -j route",
        "neigh": "ip -4 neigh",
        "neigh-json": "ip -4 -j neigh",
        "fdb": "bridge fdb",
        "fdb-json": "bridge -j fdb",
        "link": f'{UNCHANGED}; echo "$lines"',
        "link-json": 'echo "$before"',
    }
    script = NODE + "".join(f"echo '=== {name}'\n{words}\necho\n" for name, words in asked.items())
    done = subprocess.run(
        ["unshare", "-Urn" if os.geteuid() else "-n", "sh", "-eu", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no network namespace with such devices is to be had here: {done.stderr}")
    said = dict(part.split("\n", 1) for part in done.stdout.split("=== ")[1:])
    return lambda name: [line.rstrip() for line in said[name].splitlines() if line.strip()]


def of_a_pod(words):
    """Tell whether Linux says this of itself: link-local routes, groups, its own MACs."""
    return not any(each in str(words) for each in ("fe80::", "33:33:", "01:00:5e", "permanent'}"))


def test_routes_are_what_ip_route_prints(linux):
    ours = iproute2.routes(ROUTES, ADDRESSES)
    assert iproute2.route_lines(ours) == [line for line in linux("route") if of_a_pod(line)]
    theirs = [each for line in linux("route-json") for each in json.loads(line)]
    assert ours == [each for each in theirs if of_a_pod(each)]


def test_neighbours_are_what_ip_neigh_prints(linux):
    ours = iproute2.neighbours(NEIGHBOURS)
    assert sorted(iproute2.neighbour_lines(ours)) == sorted(linux("neigh"))
    (line,) = linux("neigh-json")
    assert sorted(ours, key=str) == sorted(json.loads(line), key=str)


def test_forwarding_entries_are_what_bridge_fdb_prints(linux):
    ours = iproute2.fdb(FDB)
    theirs = linux("fdb")
    assert [line for line in iproute2.fdb_lines(ours) if line not in theirs] == []
    (line,) = linux("fdb-json")
    assert [each for each in ours if each not in json.loads(line)] == []
    learned = [each for each in theirs if "master" in each and "permanent" not in each]
    assert iproute2.fdb_lines(ours)[0] in learned


def test_links_are_what_ip_s_link_prints(linux):
    (theirs,) = json.loads(linux("link-json")[0])
    counted = theirs["stats64"]
    row = {
        "name": "flannel.1", "kind": "vxlan", "mac": theirs["address"], "address": "", "mtu": 1450,
        "connected": True, "drops": {"full-ring": counted["tx"]["dropped"]},
        **{f"{way}_{unit}": counted[way][key] for way in ("rx", "tx")
           for unit, key in (("packets", "packets"), ("octets", "bytes"))},
    }  # fmt: skip
    (ours,) = iproute2.links([row])
    shown = iproute2.link_lines([{**ours, "ifindex": theirs["ifindex"], "stats64": counted}])
    assert shown[:-1] == [line.replace(" qlen 1000", "") for line in linux("link")]
    assert shown[-1].startswith("    dropped ")
    assert {key for key in theirs if key not in ours} == {"txqlen"}
    same = set(theirs) - {"txqlen", "ifindex", "stats64"}
    assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}
    assert ours["stats64"] == counted


def test_a_neighbour_that_did_not_answer_has_no_address():
    row = {"address": "10.244.1.9", "device": "cni0", "mac": "00:00:00:00:00:00",
           "state": "INCOMPLETE"}  # fmt: skip
    (ours,) = iproute2.neighbours([row])
    assert ours == {"dst": "10.244.1.9", "dev": "cni0", "state": ["INCOMPLETE"]}
    assert iproute2.neighbour_lines([ours]) == ["10.244.1.9 dev cni0 INCOMPLETE"]


def test_links_show_the_reasons_of_drops():
    assert iproute2.link_lines(iproute2.links([LINK])) == [
        "1: veth1: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1450 qdisc noqueue master cni0 "
        "state DOWN mode DEFAULT group default",
        "    link/ether aa:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff",
        "    alias pod 10.244.1.2/24 fd00:10:244:1::2/64",
        "    RX:     bytes packets errors dropped  missed   mcast",
        "    1234567890123       1      0       2       0       0",
        "    TX:     bytes packets errors dropped carrier collsns",
        "                4       3      0       5       0       0",
        "    dropped 5: full-ring",
        "    dropped 2: malformed-frame",
    ]


def test_the_nodes_own_devices_have_counters_too():
    rows = [
        {**LINK, "name": "cni0", "kind": "bridge", "address": "", "address6": "", "drops": {}},
        {**LINK, "name": "flannel.1", "kind": "vxlan", "address": "", "address6": ""},
    ]
    ours = iproute2.links(rows)
    lines = iproute2.link_lines(ours)
    assert [line.split() for line in (lines[3], lines[9])] == [
        ["1234567890123", "1", "0", "0", "0", "0"],
        ["1234567890123", "1", "0", "2", "0", "0"],
    ]
    assert ours[0]["stats64"]["rx"]["packets"] == 1
