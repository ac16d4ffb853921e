"""Load balancers and host ports in processes: from this machine's sockets to pods and back."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from componentbase import rpc

VIP, VIP6 = "192.168.65.7", "fd00:192:168:65::7"


async def listening(netlink: rpc.Client, table: str = "frontend") -> None:
    async with asyncio.timeout(5):
        while True:
            rows = await netlink.call(f"{table}_list")
            if all(row["listening"] for row in rows if row.get("listen", True)):
                return
            await asyncio.sleep(0.01)


async def ask(host: str, port: int, source: str = "") -> bytes:
    local = (source, 0) if source else None
    reader, writer = await asyncio.open_connection(host, port, local_addr=local)
    try:
        writer.write(b"hello")
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


def name_clients(pod, port: int) -> None:
    """Answer every connection with the address that it comes from."""
    listener = pod.host.tcp_listen(None, port)

    def ready() -> None:
        while (connection := listener.accept()) is not None:
            _name(pod, connection)

    listener.on_ready = ready


def _name(pod, connection) -> None:
    def changed() -> None:
        if connection.readable_octets:
            now = asyncio.get_running_loop().time()
            connection.read(1 << 16, now)
            connection.write(str(connection.remote[0]).encode(), now)
            connection.close(now)

    connection.on_change = changed
    changed()


@pytest.mark.asyncio
async def test_nodes_share_a_balancers_address_and_a_dead_one_leaves_it(
    tmp_path, cluster, frontend, prefix
):
    async with cluster(tmp_path, 40) as (one, two):
        a, b = await one.add_pod(5), await two.add_pod(5)
        a.serve_tcp(80, b"one")
        b.serve_tcp(80, b"two")
        for node, pod in ((one, a), (two, b)):
            mine = frontend(VIP, 8080, [(str(pod.address), 80)], listen=True, masquerade="never")
            elsewhere = frontend("203.0.113.9", 8080, [(str(pod.address), 80)], listen=True)
            await node.netlink.call("frontend_replace", {"entries": [mine]})
            await listening(node.netlink)
            await node.netlink.call("frontend_replace", {"entries": [elsewhere]})
        there = f"{prefix}.140.7"
        # The kernel chooses by a hash of the ports: 40 connections on one side are chance's 1e-12.
        assert set([await ask(there, 8080) for _ in range(40)]) == {b"one", b"two"}
        rows = {row["address"]: row for row in await one.netlink.call("frontend_list")}
        assert rows[VIP]["listening"]
        assert rows["203.0.113.9"]["error"] == "no address of this machine carries it"
        two.process.kill()
        await two.process.wait()
        assert set([await ask(there, 8080) for _ in range(10)]) == {b"one"}
        await one.netlink.call("frontend_delete", {"keys": [[VIP, 8080, "TCP"]]})
        with pytest.raises(ConnectionRefusedError):
            await ask(there, 8080)


@pytest.mark.asyncio
async def test_other_clients_are_seen_by_their_own_addresses(tmp_path, cluster, frontend, prefix):
    async with cluster(tmp_path, 41, nodes=1, dual=True) as (one,):
        pod = await one.add_pod(5)
        name_clients(pod, 80)
        ranges = ["192.168.65.200/32"]
        entries = [
            frontend(VIP, 8080, [("10.244.1.5", 80)], listen=True, masquerade="never"),
            frontend(VIP, 8081, [("10.244.1.5", 80)], listen=True, source_ranges=ranges)
            | {"masquerade": "never"},
            frontend("", 30080, [("10.244.1.5", 80)], listen=True, masquerade="never"),
            frontend(VIP6, 8086, [("fd00:10:244:1::5", 80)], listen=True, masquerade="never"),
        ]
        await one.netlink.call("frontend_replace", {"entries": entries})
        await listening(one.netlink)
        balancer, node, other = f"{prefix}.141.7", f"{prefix}.41.1", f"{prefix}.141.200"
        assert await ask(balancer, 8080) == b"192.168.64.254"
        assert await ask(balancer, 8080, other) == b"192.168.65.200"
        assert await ask(node, 30080, other) == b"192.168.65.200"
        assert await ask(balancer, 8086, other) == b"fd00:192:168:65::c8"
        assert await ask(balancer, 8086) == b"fd00:192:168:64::fe"
        assert await ask(balancer, 8081, other) == b"192.168.65.200"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await ask(balancer, 8081)
        drops = (await one.netlink.call("counters"))["drops"]
        assert set(drops) == {"service-source-range"}
        routes = [row["destination"] for row in await one.netlink.call("route_list")]
        assert "192.168.65.128/25" in routes


@pytest.mark.asyncio
async def test_a_host_port_leads_to_its_pod_and_a_service_goes_before_it(
    tmp_path, cluster, frontend, prefix
):
    async with cluster(tmp_path, 42) as (one, two):
        pod, other, far = await one.add_pod(5), await one.add_pod(6), await two.add_pod(5)
        name_clients(pod, 80)
        other.serve_tcp(80, b"service")
        row = {
            "address": "",
            "port": 8080,
            "protocol": "TCP",
            "pod": "d/web",
            "target": "10.244.1.5",
            "target_port": 80,
        }
        call = one.netlink.call
        await call("host_port_replace", {"entries": [row, row | {"protocol": "UDP"}]})
        await listening(one.netlink, "host_port")
        node, client = f"{prefix}.42.1", f"{prefix}.142.200"
        assert await ask(node, 8080) == b"192.168.64.254"
        assert await ask(node, 8080, client) == b"192.168.65.200"
        assert await other.fetch("192.168.64.1", 8080) == b"10.244.1.6"
        assert await other.fetch("10.244.1.1", 8080) == b"10.244.1.6"
        # What leaves the cluster's addresses is masqueraded: from another node, that node asks.
        assert await far.fetch("192.168.64.1", 8080) == b"192.168.64.2"
        assert await pod.fetch("192.168.64.1", 8080) == b"10.244.1.1"  # Hairpin.
        await datagram(pod, node)
        service = frontend("", 8080, [("10.244.1.6", 80)], listen=True)
        await call("frontend_replace", {"entries": [service]})
        assert await ask(node, 8080) == b"service"
        await call("frontend_delete", {"keys": [["", 8080, "TCP"]]})
        assert await ask(node, 8080) == b"192.168.64.254"
        listed = await call("host_port_list")
        assert row | {"listening": True, "at": 8080, "error": ""} in listed
        await call("host_port_delete", {"keys": [["", 8080, "TCP"], ["", 8080, "UDP"]]})
        with pytest.raises(ConnectionRefusedError):
            await ask(node, 8080)


async def datagram(pod, host: str) -> None:
    """Ask the host port by UDP and be answered."""
    echo = pod.host.udp_bind(None, 80)

    def ready() -> None:
        while (question := echo.receive()) is not None:
            echo.send(question.data.upper(), question.remote, asyncio.get_running_loop().time())

    echo.on_ready = ready
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asking:
        asking.setblocking(False)
        asking.connect((host, 8080))
        asking.send(b"question")
        async with asyncio.timeout(5):
            assert await asyncio.get_running_loop().sock_recv(asking, 100) == b"QUESTION"
