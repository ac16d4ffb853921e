"""Real datapath processes: frames between pods of one node and of two, Services, the gateways."""

from __future__ import annotations

import asyncio
import io
import ipaddress
import json
import random
import shutil
import socket
import subprocess
import sys

import aiohttp
import pytest
import scapy.layers.inet
import scapy.layers.l2
from loopback import PREFIX

from componentbase import rpc
from componentbase.clock import monotonic
from componentbase.unix import socket_path
from netdev.pcapng import PcapngWriter

HTTP = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"

FLOW = {"protocol": "TCP", "source": "10.0.0.1", "source_port": 1, "destination": "10.0.0.2",
        "destination_port": 2}  # fmt: skip

CARRIED = ("rx_packets", "rx_octets", "tx_packets", "tx_octets")


def http(body: bytes) -> bytes:
    return HTTP % (len(body), body)


@pytest.mark.asyncio
async def test_pods_reach_each_other_on_one_node_and_on_two(tmp_path, cluster):
    async with cluster(tmp_path, 1) as (one, two):
        a, b, c = await one.add_pod(5), await one.add_pod(6), await two.add_pod(5)
        assert await a.ping("10.244.1.6")
        assert await a.ping("10.244.2.5")
        assert await a.ping("10.244.1.1")
        assert await a.ping("192.168.64.2")
        b.serve_tcp(80, b"from b")
        c.serve_tcp(80, b"from c" * 10000)
        assert await a.fetch("10.244.1.6", 80) == b"from b"
        assert await a.fetch("10.244.2.5", 80) == b"from c" * 10000
        done = await one.netlink.call("probe", {"address": "10.244.2.5", "count": 2})
        assert {row["ttl"] for row in done["answers"]} == {63}  # Two's datapath has routed it.
        hop = {"address": "10.244.2.5", "method": "udp", "port": 33434, "hop_limit": 1}
        (answer,) = (await one.netlink.call("probe", {**hop, "source": "10.244.1.1"}))["answers"]
        assert (answer["kind"], answer["address"]) == ("time-exceeded", "10.244.2.0")
        here, there = await _vtep(one), await _vtep(two)
        assert there["tx_octets"] > 60_000  # Nearly all of it on the fast path.
        assert here["rx_octets"] == there["tx_octets"]
        assert (here["tx_packets"], here["rx_packets"]) == (
            there["rx_packets"],
            there["tx_packets"],
        )
        await _all_devices_count(one, two)


async def _all_devices_count(one, two):
    """What one node's devices count is what the other's do, and what its pods did."""
    here, there = [
        {row["name"]: row for row in await node.netlink.call("link_list")} for node in (one, two)
    ]
    ours, theirs = here["eth0"], there["eth0"]
    assert (ours["rx_packets"], ours["rx_octets"]) == (theirs["tx_packets"], theirs["tx_octets"])
    assert (ours["tx_packets"], ours["tx_octets"]) == (theirs["rx_packets"], theirs["rx_octets"])
    tunnel = here["flannel.1"]
    bare = ours["tx_packets"] - tunnel["tx_packets"]
    assert bare >= 1  # The echo to the other node itself.
    bare_octets = ours["tx_octets"] - tunnel["tx_octets"] - 50 * tunnel["tx_packets"]
    assert 14 + 20 + 8 <= bare_octets / bare <= 150
    ports = [row for row in here.values() if row["kind"] == "veth"]
    carried = {name: sum(row[name] for row in ports) for name in CARRIED}
    assert carried["rx_octets"] > carried["rx_packets"] > 10
    assert {name: here["cni0"][name] for name in CARRIED} == carried
    await one.netlink.call("link_delete", {"keys": [row["name"] for row in ports]})
    (bridge,) = [row for row in await one.netlink.call("link_list") if row["name"] == "cni0"]
    assert all(bridge[name] >= carried[name] for name in CARRIED)


async def _vtep(node):
    rows = await node.netlink.call("link_list")
    return next(row for row in rows if row["kind"] == "vxlan")


def serve_stream(pod, port: int, octets: bytes) -> None:
    """Send *octets* to whoever connects."""
    listener = pod.host.tcp_listen(None, port)

    def ready() -> None:
        connection = listener.accept()
        whole = left = memoryview(octets)

        def changed() -> None:
            nonlocal left
            if not connection.read(1 << 16, monotonic()) and left is whole:
                return  # Nobody has asked yet: data that is not read makes a close a reset.
            while left and (taken := connection.write(left, monotonic())):
                left = left[taken:]
            if not left:
                connection.close(monotonic())

        connection.on_change = changed
        changed()

    listener.on_ready = ready


@pytest.mark.asyncio
async def test_streams_cross_whoever_offloads(tmp_path, cluster):
    octets = random.Random(1).randbytes(600_000)
    async with cluster(tmp_path, 7) as (one, two):
        for node, other in ((one, 2), (two, 1)):
            fdb = {
                "mac": f"ee:00:00:00:00:{other:02x}",
                "device": "flannel.1",
                "remote": f"192.168.64.{other}",
                "offload": True,
            }
            await node.netlink.call("fdb_replace", {"entries": [fdb]})
        asks = await one.add_pod(5, offload=True)
        others = [
            await one.add_pod(6),
            await one.add_pod(7, offload=True),
            await two.add_pod(6),
            await two.add_pod(7, offload=True),
        ]
        for pod in (asks, *others):
            serve_stream(pod, 80, octets)
        segments = len(octets) / 1398
        for pod in others:
            before = asks.veth.rx_packets
            assert await asks.fetch(str(pod.address), 80, timeout_s=30) == octets
            assert (asks.veth.rx_packets - before < segments / 2) == pod.veth.offload
            assert await pod.fetch(str(asks.address), 80, timeout_s=30) == octets
        assert not asks.host.drops


@pytest.mark.asyncio
async def test_a_service_is_reached_from_pods_and_through_node_ports(
    tmp_path, cluster, frontend, prefix
):
    async with cluster(tmp_path, 2) as (one, two):
        a, b, c = await one.add_pod(5), await one.add_pod(6), await two.add_pod(5)
        b.serve_tcp(8080, http(b"from b"))
        c.serve_tcp(8080, http(b"from c"))
        for node in (one, two):
            await node.netlink.call(
                "frontend_replace",
                {
                    "entries": [
                        frontend("10.96.0.10", 80, [("10.244.1.6", 8080)]),
                        frontend("10.96.0.11", 80, [("10.244.2.5", 8080)]),
                        frontend("10.96.0.12", 80, []),
                        frontend(
                            "",
                            30080,
                            [("10.244.2.5", 8080)],
                            masquerade="always",
                            listen=True,
                        ),
                    ]
                },
            )
        assert b"from b" in await a.fetch("10.96.0.10", 80)  # Same node: br_netfilter.
        assert b"from c" in await a.fetch("10.96.0.11", 80)
        assert b"from b" in await b.fetch("10.96.0.10", 80)  # Hairpin.
        with pytest.raises(ConnectionRefusedError):
            await a.fetch("10.96.0.12", 80)
        await _listening(one.netlink, 30080)
        await _listening(two.netlink, 30080)
        async with aiohttp.ClientSession() as session:
            for host in (f"{prefix}.2.1", f"{prefix}.2.2"):
                async with session.get(f"http://{host}:30080/") as response:
                    assert await response.text() == "from c"


async def _listening(netlink: rpc.Client, port: int) -> None:
    async with asyncio.timeout(5):
        while True:
            rows = await netlink.call("frontend_list")
            if all(row["listening"] for row in rows if row["port"] == port):
                return
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_a_node_port_carries_udp(tmp_path, cluster, frontend, prefix):
    async with cluster(tmp_path, 3, nodes=1) as (one,):
        pod = await one.add_pod(5)
        echo = pod.host.udp_bind(None, 53)

        def ready() -> None:
            while (datagram := echo.receive()) is not None:
                echo.send(datagram.data.upper(), datagram.remote, asyncio.get_running_loop().time())

        echo.on_ready = ready
        entry = frontend("", 30053, [("10.244.1.5", 53)], listen=True, masquerade="always")
        await one.netlink.call("frontend_replace", {"entries": [entry | {"protocol": "UDP"}]})
        await _listening(one.netlink, 30053)
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        class Client(asyncio.DatagramProtocol):
            def datagram_received(self, data, _address):
                answered.set_result(data)

        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            Client, remote_addr=(f"{prefix}.3.1", 30053)
        )
        transport.sendto(b"question")
        async with asyncio.timeout(5):
            assert await answered == b"QUESTION"
        transport.close()


@pytest.mark.asyncio
async def test_hostnet_connects_from_the_node_and_says_when_it_cannot(tmp_path, cluster):
    async with cluster(tmp_path, 4) as (one, two):
        pod, far = await one.add_pod(5), await two.add_pod(5)
        pod.serve_tcp(8080, b"ready")
        far.serve_tcp(8080, b"far")
        assert await _hostnet(one, "10.244.1.5", 8080) == ({"ok": True}, b"ready")
        assert await _hostnet(one, "10.244.2.5", 8080) == ({"ok": True}, b"far")
        answer, _ = await _hostnet(one, "10.244.1.5", 81)
        assert answer["code"] == "ECONNREFUSED"


async def _hostnet(node, address: str, port: int):
    with socket_path(node.directory / "hostnet.sock") as path:
        reader, writer = await asyncio.open_unix_connection(path)
    request = {"connect": [address, port], "timeout_s": 5}
    writer.write(json.dumps(request).encode() + b"\n")
    answer = json.loads(await reader.readline())
    received = b""
    if answer.get("ok"):
        writer.write(b"hello")
        received = await reader.read()
    writer.close()
    return answer, received


@pytest.mark.asyncio
async def test_pods_reach_the_api_server_through_its_service(tmp_path, cluster, frontend, prefix):
    async def serve(reader, writer):
        writer.write(b"apiserver: " + await reader.read(100))
        writer.close()

    server = await asyncio.start_server(serve, f"{prefix}.5.251", 6443)
    async with server, cluster(tmp_path, 5, nodes=1) as (one,):
        pod = await one.add_pod(5)
        entry = frontend("10.96.0.1", 443, [("192.168.64.251", 6443)])
        await one.netlink.call("frontend_replace", {"entries": [entry]})
        assert await pod.fetch("10.96.0.1", 443) == b"apiserver: GET / HTTP/1.0\r\n\r\n"


@pytest.mark.asyncio
async def test_a_capture_of_eth0_opens_in_wireshark(tmp_path, cluster):
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    file = io.BytesIO()
    writer = PcapngWriter(file)

    def packets(_connection, _method, params):
        for time_ns, interface, direction, octets, length, _ in params["items"]:
            assert length == len(octets)
            writer.packet(time_ns, interface, octets, direction=direction)

    async with cluster(tmp_path, 6) as (one, two):
        a, c = await one.add_pod(5), await two.add_pod(5)
        client = await rpc.Client.connect(one.directory / "netlink.sock", on_tell=packets)
        for interface in ("eth0", "cni0"):
            await client.call("capture_open", {"interface": interface, "snaplen": 0})
        assert await a.ping("10.244.2.5")
        c.serve_tcp(80, b"x" * 5000)
        assert len(await a.fetch("10.244.2.5", 80)) == 5000
        await client.close()
    path = tmp_path / "f.pcapng"
    path.write_bytes(file.getvalue())
    rows = await asyncio.to_thread(_tshark, path)
    protocols = [row["frame.protocols"][0] for row in rows]
    assert any(each.endswith("udp:vxlan:eth:ethertype:ip:tcp") for each in protocols)
    assert any(":vxlan:" in each and each.endswith("icmp:data") for each in protocols)
    assert any(each == "eth:ethertype:arp" for each in protocols)
    for row in rows:
        for layer in ("ip", "udp", "tcp", "icmp"):
            for status in row.get(f"{layer}.checksum.status", ["1"]):
                assert status == "1", row
        if "vxlan.vni" in row:
            assert row["vxlan.vni"] == ["1"]
            outer = {
                ipaddress.IPv4Address(row["ip.src"][0]),
                ipaddress.IPv4Address(row["ip.dst"][0]),
            }
            assert outer == {
                ipaddress.IPv4Address("192.168.64.1"),
                ipaddress.IPv4Address("192.168.64.2"),
            }


def _tshark(path):
    fields = [
        "frame.protocols",
        "vxlan.vni",
        "ip.src",
        "ip.dst",
        "ip.checksum.status",
        "udp.checksum.status",
        "tcp.checksum.status",
        "icmp.checksum.status",
    ]
    checks = [f"{each}.check_checksum:TRUE" for each in ("ip", "udp", "tcp")]
    command = ["tshark", "-r", str(path), "-T", "json"]
    command += [part for check in checks for part in ("-o", check)]
    command += [part for each in fields for part in ("-e", each)]
    output = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    return [packet["_source"]["layers"] for packet in json.loads(output)]


@pytest.mark.asyncio
async def test_pods_and_connections_survive_the_datapaths_death(tmp_path, cluster):
    async with cluster(tmp_path, 7) as (one, two):
        a, c = await one.add_pod(5), await two.add_pod(5)
        listener = c.host.tcp_listen(None, 80)
        client = a.host.tcp_connect((ipaddress.IPv4Address("10.244.2.5"), 80), monotonic())
        a.pump()
        accepted = []
        await _until(lambda: accepted.append(listener.accept()) or accepted[-1])
        server = accepted[-1]
        a.up.clear()
        await one.restart([2])
        async with asyncio.timeout(10):
            await a.up.wait()
        assert client.write(b"still here", monotonic()) == 10
        a.pump()
        await _until(lambda: server.readable_octets == 10)


async def _until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_strangers_and_rubbish_are_counted_and_traffic_goes_on(tmp_path, cluster, prefix):
    async with cluster(tmp_path, 8, nodes=1) as (one,):
        a, b = await one.add_pod(5), await one.add_pod(6)
        shown = []

        def packets(_connection, _method, params):
            shown.extend(params["items"])

        client = await rpc.Client.connect(one.directory / "netlink.sock", on_tell=packets)
        await client.call("capture_open", {"interface": "eth0", "filter": "udp port 4789"})
        for sender, datagram in (
            (f"{prefix}.9.1", b"stranger"),
            (f"{prefix}.8.9", b"rubbish, long enough"),
        ):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind((sender, 0))
                sock.sendto(datagram, (f"{prefix}.8.1", 4789))
        drops = {}
        async with asyncio.timeout(5):
            while len(drops) < 2:
                drops = (await one.netlink.call("counters"))["drops"]
        assert drops["underlay-unknown-sender"] == 1
        assert drops["malformed-vxlan"] == 1
        await _until(lambda: len(shown) == 2)
        stranger, rubbish = (scapy.layers.l2.Ether(item[3]) for item in shown)
        assert (stranger["IP"].src, stranger["IP"].dst) == (f"{prefix}.9.1", "192.168.64.1")
        assert stranger["UDP"].dport == 4789 != stranger["UDP"].sport
        assert bytes(stranger)[42:] == b"stranger"
        assert [item[2] for item in shown] == ["in", "in"]
        assert shown[0][5].endswith("dropped: underlay-unknown-sender")
        assert rubbish["IP"].src == "192.168.64.9"
        assert shown[1][5].endswith("dropped: malformed-vxlan")
        await client.close()
        assert await a.ping(str(b.address))


@pytest.mark.asyncio
async def test_a_taken_node_port_is_reported_and_tried_again(tmp_path, cluster, frontend, prefix):
    async with cluster(tmp_path, 9, nodes=1) as (one,):
        pod = await one.add_pod(5)
        pod.serve_tcp(80, http(b"late"))
        with socket.socket() as squatter:
            squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            squatter.bind((f"{prefix}.9.1", 30080))
            squatter.listen()
            entry = frontend("", 30080, [("10.244.1.5", 80)], listen=True, masquerade="always")
            await one.netlink.call("frontend_replace", {"entries": [entry]})
            row = {}
            async with asyncio.timeout(5):
                while not row.get("error"):
                    (row,) = await one.netlink.call("frontend_list")
            assert row["listening"] is False
            assert f"{prefix}.9.1:30080" in row["error"]
            counters = await one.netlink.call("counters")
            assert counters["drops"]["nodeport-bind-failed"] >= 1
        await _listening(one.netlink, 30080)
        async with aiohttp.request("GET", f"http://{prefix}.9.1:30080/") as response:
            assert await response.text() == "late"
        await one.netlink.call("frontend_delete", {"keys": [["", 30080, "TCP"]]})
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(f"{prefix}.9.1", 30080)


@pytest.mark.asyncio
async def test_nonsense_on_netlink_is_refused_by_name(tmp_path, cluster):
    async with cluster(tmp_path, 10, nodes=1) as (one,):
        nonsense = [
            ("route_replace", {"entries": [{"destination": "10.0.0.0/24"}]}),
            ("route_replace", {"entries": [{"destination": "x", "device": "cni0"}]}),
            ("route_replace", {}),
            ("route_replace", {"entries": [{"destination": "10.0.0.0/8", "device": "a", "b": 1}]}),
            ("link_delete", {"keys": 5}),
            ("settings", {"cluster_cidr": "10.244.0.0/99"}),
            ("capture_open", {"interface": "nothing"}),
            ("probe", {"address": "nobody"}),
            ("probe", {"address": "10.244.1.9", "source": 5}),
            ("conntrack_delete", {"protocol": "TCP"}),
            ("conntrack_delete", {"flows": [{**FLOW, "protocol": "GRE"}]}),
            ("conntrack_delete", {"flows": [{**FLOW, "source": "nobody"}]}),
        ]
        for method, params in nonsense:
            with pytest.raises(rpc.RpcError) as refusal:
                await one.netlink.call(method, params)
            assert refusal.value.code == "InvalidArgument", method


@pytest.mark.asyncio
async def test_a_taken_underlay_address_ends_the_process_with_one_clear_line(
    tmp_path, cluster, prefix
):
    async with cluster(tmp_path, 11, nodes=1) as (one,):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "nodeagent.datapath",
            str(one.directory / "config.json"),
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(10):
            _, errors = await process.communicate()
        assert process.returncode == 1
        assert f"cannot bind {prefix}.11.1:4789/udp" in errors.decode().splitlines()[-1]


@pytest.mark.asyncio
async def test_a_node_port_half_closes_and_resets_as_its_endpoint_does(
    tmp_path, cluster, frontend, prefix
):
    async with cluster(tmp_path, 12, nodes=1) as (one,):
        pod = await one.add_pod(5)
        listener = pod.host.tcp_listen(None, 7)
        listener.on_ready = lambda: _count_until_end(pod, listener.accept())
        entries = [
            frontend("", 30007, [("10.244.1.5", 7)], listen=True, masquerade="always"),
            frontend("", 30009, [("10.244.1.5", 9)], listen=True, masquerade="always"),
        ]
        await one.netlink.call("frontend_replace", {"entries": entries})
        await _listening(one.netlink, 30007)
        await _listening(one.netlink, 30009)
        reader, writer = await asyncio.open_connection(f"{prefix}.12.1", 30007)
        writer.write(bytes(1_000_000))
        writer.write_eof()
        async with asyncio.timeout(10):
            assert await reader.read() == b"1000000"
        writer.close()
        with pytest.raises(ConnectionResetError):
            await _read_all(f"{prefix}.12.1", 30009)


async def _read_all(address: str, port: int) -> bytes:
    """Connect and read until the end; the reset may come as early as the connection."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(address, port)
        try:
            return await reader.read()
        finally:
            writer.close()


def _count_until_end(pod, connection) -> None:
    """Answer with how much was sent, once the client has said that this was all."""
    received = []

    def changed() -> None:
        while connection.readable_octets:
            received.append(len(connection.read(1 << 20, monotonic())))
        if connection.end_of_stream:
            connection.on_change = None
            connection.write(str(sum(received)).encode(), monotonic())
            connection.close(monotonic())
        asyncio.get_running_loop().call_soon(pod.pump)

    connection.on_change = changed
    changed()


@pytest.mark.asyncio
async def test_hostnet_refuses_what_is_no_request(tmp_path, cluster):
    async with cluster(tmp_path, 13, nodes=1) as (one,):
        nonsense = [b"hello", b"{}", b'{"connect": ["nobody", 80]}', b'{"connect": ["1.2.3.4"]}',
                    b'{"connect": ["1.2.3.4", -8]}']  # fmt: skip
        for line in nonsense:
            with socket_path(one.directory / "hostnet.sock") as path:
                reader, writer = await asyncio.open_unix_connection(path)
            writer.write(line + b"\n")
            async with asyncio.timeout(5):
                answer = json.loads(await reader.readline())
                assert await reader.read() == b""
            assert answer["code"] == "EINVAL"
            writer.close()
        with socket_path(one.directory / "hostnet.sock") as path:
            reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"connect": ["10.244.1.99", 80], "timeout_s": 0.1}\n')
        async with asyncio.timeout(5):
            assert json.loads(await reader.readline())["code"] in ("ETIMEDOUT", "EHOSTUNREACH")
        writer.close()


@pytest.mark.asyncio
async def test_a_port_of_the_node_leads_to_a_process_beside_it(tmp_path, cluster):
    """As a kube-proxy's health check: a real server at the node's transport address."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        await reader.readline()
        writer.write(b"healthy")
        writer.close()
        await writer.wait_closed()

    async with cluster(tmp_path, 21) as (one, two):
        pod, address = await two.add_pod(5), f"{PREFIX}.21.1"
        server = await asyncio.start_server(greet, address, 0)
        port = server.sockets[0].getsockname()[1]
        entry = {"protocol": "TCP", "port": port, "service": "default/web"}
        await one.netlink.call("host_listener_replace", {"entries": [entry]})
        assert await one.netlink.call("host_listener_list") == [entry]
        assert await pod.fetch("192.168.64.1", port) == b"healthy"
        assert await pod.fetch("10.244.1.1", port) == b"healthy"
        server.close()
        await server.wait_closed()
        with pytest.raises(ConnectionResetError):
            await pod.fetch("192.168.64.1", port)
        await one.netlink.call("host_listener_delete", {"keys": [["TCP", port]]})
        with pytest.raises(ConnectionRefusedError):
            await pod.fetch("192.168.64.1", port)
