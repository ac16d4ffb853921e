"""Claims over the socket, as pods make them; and by a real datapath, whose machine listens then."""

from __future__ import annotations

import asyncio
import errno
import json
from contextlib import AsyncExitStack
from types import SimpleNamespace

import pytest

from nodeagent.datapath.host_links import HostLinks
from nodeagent.datapath.host_port_claims import HostPortClaims
from podruntime.sandbox.host_ports import HostPorts

NODE = "192.168.64.1"


def row(number):
    return {
        "name": f"host{number}",
        "kind": "host",
        "mac": f"0a:59:00:00:00:{number:02x}",
        "address": f"{NODE}/32",
    }


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "EINVAL"),
        (b"{}", "EINVAL"),
        (b'{"interface": 7}', "EINVAL"),
        (b'{"interface": "host1", "port": 65536}', "EINVAL"),
        (b'{"interface": "host1", "port": -1}', "EINVAL"),
        (b'{"interface": "host1", "protocol": "SCTP", "port": 1}', "EINVAL"),
        (b'{"interface": "host1", "more": 1}', "EINVAL"),
        (b"\xff\xfe", "EINVAL"),
        (b'{"interface": "host1", "port": 80}', "ENODEV"),
    ],
)
def test_what_makes_no_sense_is_answered(line, code):
    claims = HostPortClaims(HostLinks(), lambda: None, taken)
    assert claims.answer(line)["code"] == code


def taken(protocol, port):
    return (protocol, port) == ("TCP", 10250)


def test_a_port_of_the_nodes_own_processes_is_in_use():
    links = HostLinks()
    links.add(SimpleNamespace(name="host1"))
    claims = HostPortClaims(links, lambda: None, taken)
    assert claims.answer(b'{"interface": "host1", "port": 10250}')["code"] == "EADDRINUSE"
    assert "first" in claims.answer(b'{"interface": "host1", "port": 10250, "protocol": "UDP"}')
    assert links.claims() == [("UDP", 10250)]


@pytest.mark.asyncio
async def test_pods_claim_ports_and_the_machine_leads_to_them(tmp_path, cluster, prefix):
    async with cluster(tmp_path, 46, 1) as (node,), AsyncExitStack() as stack:
        await node.netlink.call("link_replace", {"entries": [row(1), row(2)]})
        socket = node.directory / "hostports.sock"
        one, two, three = (HostPorts(socket, f"host{number}") for number in (1, 2, 3))
        for each in (one, two, three):
            stack.callback(each.close)
        first, second = await asyncio.to_thread(one.again), await asyncio.to_thread(two.again)
        assert first.last < second.first
        await asyncio.to_thread(one.claim, "TCP", 8080)
        await asyncio.to_thread(one.claim, "TCP", first.first)
        with pytest.raises(OSError, match="in use") as refused:
            await asyncio.to_thread(two.claim, "TCP", 8080)
        assert refused.value.errno == errno.EADDRINUSE
        await asyncio.to_thread(two.claim, "UDP", 8080)
        where = f"{prefix}.46.1", 8080
        async with asyncio.timeout(5):
            while not await listens(*where):
                await asyncio.sleep(0.01)
        await node.netlink.call("link_delete", {"keys": ["host1"]})
        async with asyncio.timeout(5):
            while await listens(*where):
                await asyncio.sleep(0.01)
        await asyncio.to_thread(two.claim, "TCP", 8080)
        await node.restart([])
        await node.netlink.call("link_replace", {"entries": [row(2), row(3)]})
        assert await asyncio.to_thread(two.again) is not None
        with pytest.raises(OSError, match="in use"):
            await asyncio.to_thread(three.claim, "UDP", 8080)


@pytest.mark.asyncio
async def test_a_question_without_end_closes_the_connection(tmp_path):
    claims = HostPortClaims(HostLinks(), lambda: None, taken)
    await claims.start(tmp_path / "s")
    try:
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.write(b'{"interface": "host1"}\n' * 2)
        assert json.loads(await reader.readline())["code"] == "ENODEV"
        assert json.loads(await reader.readline())["code"] == "ENODEV"
        writer.write(b"x" * 5000)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
    finally:
        claims.close()


async def listens(host, port):
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
