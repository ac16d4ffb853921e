"""Processes of nodes with both families: what crosses its bounds by IPv6."""

from __future__ import annotations

import asyncio
import json

import pytest

from componentbase import rpc
from componentbase.unix import socket_path

POD15, POD25, NODE2 = "fd00:10:244:1::5", "fd00:10:244:2::5", "fd00:192:168:64::2"


async def listening_at(netlink: rpc.Client, port: int) -> None:
    async with asyncio.timeout(5):
        while True:
            rows = [row for row in await netlink.call("frontend_list") if row["port"] == port]
            if all(row.get("listening") for row in rows):
                return
            await asyncio.sleep(0.01)


async def ask(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"hello")
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


async def hostnet(node, address: str, port: int):
    with socket_path(node.directory / "hostnet.sock") as path:
        reader, writer = await asyncio.open_unix_connection(path)
    writer.write(json.dumps({"connect": [address, port], "timeout_s": 5}).encode() + b"\n")
    answer = json.loads(await reader.readline())
    if answer.get("ok"):
        writer.write(b"hello")
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.asyncio
async def test_ipv6_between_nodes_pods_and_this_machine(tmp_path, cluster, frontend, prefix):
    async def serve(reader, writer):
        writer.write(b"apiserver: " + await reader.read(100))
        writer.close()

    server = await asyncio.start_server(serve, f"{prefix}.30.251", 6443)
    async with server, cluster(tmp_path, 30, dual=True) as (one, two):
        a, c = await one.add_pod(5), await two.add_pod(5)
        c.serve_tcp(80, b"by IPv6")
        assert await a.ping(POD25)
        assert await a.ping(NODE2)
        assert await a.fetch(POD25, 80) == b"by IPv6"
        assert await hostnet(one, POD25, 80) == b"by IPv6"
        assert (await hostnet(one, POD15, 81))["code"] == "ECONNREFUSED"
        asked = {"address": POD25, "timeout_s": 5}
        (answer,) = (await one.netlink.call("probe", asked))["answers"]
        assert answer["kind"] == "reply"
        (answer,) = (await one.netlink.call("probe", {**asked, "hop_limit": 1}))["answers"]
        assert (answer["kind"], answer["address"]) == ("time-exceeded", "fd00:10:244:2::")
        entries = [
            frontend("fd00:10:96::1", 443, [("fd00:192:168:64::fb", 6443)]),
            frontend("::", 30080, [(POD25, 80)], listen=True, masquerade="always"),
            frontend("fd00:10:96::2", 80, [(POD25, 80)]),
        ]
        await one.netlink.call("frontend_replace", {"entries": entries})
        assert await a.fetch("fd00:10:96::1", 443) == b"apiserver: GET / HTTP/1.0\r\n\r\n"
        assert await a.fetch("fd00:10:96::2", 80) == b"by IPv6"
        await listening_at(one.netlink, 30080)
        assert await ask(f"{prefix}.30.1", 30080) == b"by IPv6"
        rows = await one.netlink.call("conntrack_list")
        entered = [row["original"] for row in rows if row["original"]["destination_port"] == 30080]
        assert [(row["source"], row["destination"]) for row in entered] == [
            ("fd00:192:168:64::fe", "fd00:192:168:64::1")
        ]
        assert not (await one.netlink.call("counters"))["drops"]


@pytest.mark.asyncio
async def test_where_both_families_want_a_port_ipv4_gets_it(tmp_path, cluster, frontend, prefix):
    async with cluster(tmp_path, 31, nodes=1, dual=True) as (one,):
        pod, call = await one.add_pod(5), one.netlink.call
        pod.serve_tcp(8004, b"IPv4")
        pod.serve_tcp(8006, b"IPv6")
        both = [
            frontend("::", 30080, [(POD15, 8006)], listen=True),
            frontend("", 30080, [("10.244.1.5", 8004)], listen=True),
        ]
        await call("frontend_replace", {"entries": both})
        await listening_at(one.netlink, 30080)
        assert await ask(f"{prefix}.31.1", 30080) == b"IPv4"
        await call("frontend_delete", {"keys": [["", 30080, "TCP"]]})
        await listening_at(one.netlink, 30080)
        assert await ask(f"{prefix}.31.1", 30080) == b"IPv6"
        await datagrams(one, pod, f"{prefix}.31.1")


async def datagrams(one, pod, host: str) -> None:
    """Ask by a UDP NodePort that only IPv6 has, and be answered."""
    echo = pod.host.udp_bind(None, 5353)

    def ready() -> None:
        while (datagram := echo.receive()) is not None:
            echo.send(datagram.data.upper(), datagram.remote, asyncio.get_running_loop().time())

    echo.on_ready = ready
    entry = {
        "address": "::",
        "port": 30053,
        "protocol": "UDP",
        "service": "default/dns",
        "backends": [{"address": POD15, "port": 5353}],
        "listen": True,
    }
    await one.netlink.call("frontend_replace", {"entries": [entry]})
    await listening_at(one.netlink, 30053)
    answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    class Client(asyncio.DatagramProtocol):
        def datagram_received(self, data, _address):
            answered.set_result(data)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Client, remote_addr=(host, 30053)
    )
    transport.sendto(b"question")
    async with asyncio.timeout(5):
        assert await answered == b"QUESTION"
    transport.close()
