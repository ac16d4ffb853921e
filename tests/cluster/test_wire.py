"""Traffic: pods of three nodes, a Service, real VXLAN frames."""

from __future__ import annotations

import collections
import contextlib
import json
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wireshark
from clusters import Lab

from componentbase.unix import socket_path

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("wire")]

PORT = 30080
#: What Wireshark says where a capture began in the middle of a connection.
BEGAN_BEFORE = (*wireshark.REUSE, "acked segment that wasn't captured")


def pods(lab: Lab) -> list[dict[str, Any]]:
    return lab.objects("pods", "-l", "app=web")


def test_pods_are_spread_and_have_addresses_of_their_nodes(web: Lab) -> None:
    cidrs = {node["metadata"]["name"]: node["spec"]["podCIDR"] for node in web.objects("nodes")}
    by_node = collections.Counter(pod["spec"]["nodeName"] for pod in pods(web))
    assert sorted(by_node) == ["node-1", "node-2", "node-3"]
    assert max(by_node.values()) - min(by_node.values()) <= 1
    for pod in pods(web):
        prefix = cidrs[pod["spec"]["nodeName"]].rsplit(".", 1)[0]
        assert pod["status"]["podIP"].startswith(prefix + ".")


def test_every_node_serves_the_node_port_with_every_pod(web: Lab) -> None:
    names = {pod["metadata"]["name"] for pod in pods(web)}
    for node in (1, 2, 3):
        seen = {web.fetch(node, PORT, "/hostname") for _ in range(60)}
        assert seen == names


def test_choice_is_random_and_even(web: Lab) -> None:
    seen = collections.Counter(web.fetch(1, PORT, "/hostname") for _ in range(300))
    assert len(seen) == 6
    assert min(seen.values()) > 300 / 6 * 0.5


def test_ping_works_between_any_two_pods_and_nodes(web: Lab) -> None:
    by_node = {pod["spec"]["nodeName"]: pod for pod in pods(web)}
    places = [pod["metadata"]["name"] for pod in by_node.values()] + ["node-1", "node-2"]
    same = [p["metadata"]["name"] for p in pods(web) if p["spec"]["nodeName"] == "node-1"]
    pairs = [(a, b) for a in places for b in places if a != b] + [(same[0], same[1])]
    for source, target in pairs:
        said = web.podwire("ping", source, target, "-c", "1", check=False)
        assert " 0% packet loss" in said, f"{source} -> {target}: {said}"


def test_flannel_programs_one_entry_of_each_kind_per_remote_node(web: Lab) -> None:
    routes = web.podwire("routes", "node-1").splitlines()
    overlay = [line for line in routes if "flannel.1" in line and "onlink" in line]
    assert len(overlay) == 2
    assert "10.244" in overlay[0]
    neighbours = web.podwire("neigh", "node-1").splitlines()
    assert sum("dev flannel.1" in line and "PERMANENT" in line for line in neighbours) == 2
    fdb = web.podwire("fdb", "node-1").splitlines()
    assert sum("dev flannel.1 dst 192.168.64." in line for line in fdb) == 2
    for node in web.objects("nodes"):
        annotations = node["metadata"]["annotations"]
        assert annotations["flannel.alpha.coreos.com/backend-type"] == "vxlan"
        address = next(a for a in node["status"]["addresses"] if a["type"] == "InternalIP")
        assert annotations["flannel.alpha.coreos.com/public-ip"] == address["address"]
        assert address["address"].startswith("192.168.64.")


def test_a_capture_decodes_with_all_checksums_right(web: Lab, tmp_path: Path) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    file = tmp_path / "wire.pcapng"
    done = threading.Event()

    def drive() -> None:
        while not done.is_set():
            try:
                web.fetch(1, PORT, "/hostname")
            except (OSError, urllib.error.URLError):
                continue

    thread = threading.Thread(target=drive)
    thread.start()
    try:
        web.podwire(
            "capture", "--node", "node-1", "-w", str(file), "--count", "200", "--duration", "30"
        )
    finally:
        done.set()
        thread.join()
    fields = [word for name in ("ip.src", "udp.dstport", "vxlan.vni") for word in ("-e", name)]
    lines = wireshark.tshark(file, "-Y", "vxlan && tcp", "-T", "fields", *fields).splitlines()
    assert len(lines) > 20
    for source, port, vni in (line.split("\t") for line in lines):
        assert source.split(",")[0].startswith("192.168.64.")
        assert port == "4789"
        assert vni == "1"
    assert wireshark.findings(file, BEGAN_BEFORE) == []


def test_an_established_connection_stays_with_its_pod(web: Lab) -> None:
    import http.client

    connection = http.client.HTTPConnection(web.cluster.transport_address(1), PORT, timeout=5)
    seen = set()
    for _ in range(20):
        connection.request("GET", "/hostname")
        seen.add(connection.getresponse().read())
    connection.close()
    assert len(seen) == 1


def test_a_service_without_endpoints_refuses(web: Lab) -> None:
    web.apply(
        "apiVersion: v1\nkind: Service\nmetadata: {name: empty}\n"
        "spec: {type: NodePort, selector: {app: nobody}, ports: [{port: 80, nodePort: 30099}]}\n"
    )
    web.eventually(lambda: "empty" in web.podwire("services", "node-1"))

    def refused() -> bool:
        try:
            web.fetch(1, 30099, timeout_s=2)
        except TimeoutError:
            return False
        except (ConnectionError, urllib.error.URLError) as error:
            return "timed out" not in str(error)
        return False

    web.eventually(refused, within_s=10, what="a refusal, not a silence")


def drops(web: Lab, node: int) -> dict[str, int]:
    found: dict[str, int] = json.loads(web.podwire(f"drops node-{node}", "-o", "json"))["drops"]
    return found


def test_garbage_is_counted_and_traffic_goes_on(web: Lab) -> None:
    rng = random.Random(7)
    node, lengths = web.paths.node("node-2"), (0, 1, 7, 8, 20, 60, 1400, 60_000)
    done = threading.Event()
    failures: list[BaseException] = []

    def drive() -> None:
        while not done.is_set():
            try:
                web.fetch(2, PORT, "/hostname")
            except OSError as error:
                failures.append(error)

    thread = threading.Thread(target=drive)
    thread.start()
    try:
        for source in ("127.0.0.1", web.cluster.transport_address(200)):
            for port in (4789, 8285):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.bind((source, 0))
                    for length in lengths * 20:
                        sock.sendto(rng.randbytes(length), (web.cluster.transport_address(2), port))
                    foreign = bytes.fromhex("0800000000000700") + bytes(60)
                    sock.sendto(foreign, (web.cluster.transport_address(2), port))
        for name in ("netlink.sock", "hostnet.sock", "cri.sock", "veth.sock"):
            for length in lengths:
                kind = socket.SOCK_SEQPACKET if name == "veth.sock" else socket.SOCK_STREAM
                with socket.socket(socket.AF_UNIX, kind) as sock, socket_path(node / name) as path:
                    sock.connect(path)
                    # Whoever hears nonsense may hang up on us.
                    with contextlib.suppress(OSError):
                        sock.sendall(rng.randbytes(length))
        web.eventually(lambda: "foreign-vni" in drops(web, 2))
    finally:
        done.set()
        thread.join()
    counted = drops(web, 2)
    assert counted["underlay-unknown-sender"] >= 300
    assert counted["malformed-vxlan"] >= 50
    assert counted["malformed-packet"] >= 50
    assert not failures
    states = {row["name"]: row for row in json.loads(web.podwire("status", "-o", "json"))}
    assert all(not row.get("restarts") for row in states.values()), states


def test_a_capture_of_one_node_shows_a_clean_wire(web: Lab, tmp_path: Path) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    files = {name: tmp_path / f"{name}.pcapng" for name in ("eth0", "cni0", "flannel.1")}
    command = [sys.executable, "-m", "podwire", "capture", "--name", web.name, "--node", "node-1"]
    captures = [
        subprocess.Popen(
            [*command, "-i", name, "-w", str(file)],
            env=web.environment, stderr=subprocess.PIPE, text=True,
        )
        for name, file in files.items()
    ]  # fmt: skip
    for each in captures:
        assert each.stderr is not None
        assert "Ctrl-C" in each.stderr.readline()
    for _ in range(30):
        web.fetch(1, PORT, "/hostname")
    for each in captures:
        each.send_signal(signal.SIGINT)
        _, said = each.communicate(timeout=20)
        assert each.returncode == 0, said
        assert "dropped" not in said
    for file in files.values():
        assert wireshark.findings(file, BEGAN_BEFORE) == []
        stamps = [
            float(each)
            for each in wireshark.tshark(file, "-T", "fields", "-e", "frame.time_epoch").split()
        ]
        assert len(stamps) > 30  # Which of the requests leave the node is chance.
        assert stamps == sorted(stamps)


def test_a_packet_is_traced_and_its_flow_logged_by_name(web: Lab) -> None:
    """One SYN through a Service: each hop, each router, and what both nodes track of it."""
    by_node = {pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in pods(web)}
    one, two = by_node["node-1"], by_node["node-2"]
    with contextlib.closing(_followed(web, one)) as follow:
        next(follow)  # The kubelet asks whether the pod is ready, once a second.
        traced = json.loads(web.podwire("trace", one, "svc/web:80", "-o", "json"))
        hops = [hop for hop in traced["hops"] if not hop["is_answer"]]
        assert hops[0]["interface"] == f"pod default/{one}"
        assert "service default/web:http; DNAT" in hops[0]["verdict"]
        there = hops[-1]["interface"].removeprefix("pod default/")
        assert there in {pod["metadata"]["name"] for pod in pods(web)}
        assert any("SYN,ACK" in hop["packet"] for hop in traced["hops"] if hop["is_answer"])
        endpoint = f"default/{there}"
        told = next(row for row in follow if row["endpoint"])
        assert (told["verdict"], told["source"]["name"]) == ("NEW", f"default/{one}")
        assert told["destination"]["name"] == "svc/default/web"
        assert told["endpoint"]["name"] == endpoint
    ways = traced["hops"][0]["packet"].split(" TCP")[0]
    rows = [json.loads(line) for line in web.podwire("flows", "-o", "json").splitlines()]
    port = int(ways.split(" > ")[0].rpartition(":")[2])
    assert port in {row["source"]["port"] for row in rows if row["node"] == "node-1"}
    refused = web.podwire("trace", "--udp", one, f"{two}:9999", check=False)
    assert "port unreachable: nobody listens there" in refused
    lines = web.podwire("traceroute", "-n", "-q", "1", one, two).splitlines()
    cidrs = {node["metadata"]["name"]: node["spec"]["podCIDR"] for node in web.objects("nodes")}
    here, far = (cidrs[node].removesuffix("0/24") for node in ("node-1", "node-2"))
    (target,) = {pod["status"]["podIP"] for pod in pods(web) if pod["metadata"]["name"] == two}
    assert [line.split()[1] for line in lines[1:]] == [here + "1", far + "0", target]
    (lost,) = json.loads(web.podwire("traceroute", "-o", "json", "-m", "1", one, two, check=False))[
        "hops"
    ]
    assert {each["address"] for each in lost["answers"]} == {here + "1"}


def _followed(web: Lab, pod: str) -> Iterator[dict[str, Any]]:
    """Yield what `podwire flows -f` tells of a pod."""
    command = [sys.executable, "-m", "podwire", "flows", "-f", "--pod", pod, "-p", "tcp"]
    with subprocess.Popen(
        [*command, "-o", "json", "--name", web.name], env=web.environment,
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            for line in process.stdout:
                yield json.loads(line)
        finally:
            process.send_signal(signal.SIGINT)
