"""Calls as msgpack carries them: a datapath's "netlink", and a pod's control socket.

An input is a stream of msgpack values, by turns a method (its number, or its name) and its
parameters.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

import msgpack

from componentbase.rpc import RpcError
from componentbase.tasks import Tasks
from fuzzing.nodes import Stage
from fuzzing.target import Target
from netdev.probing import Probing
from netdev.transport_map import TransportMap
from netstack import socket_table
from netstack.ip_host import IpHost
from nodeagent.datapath import listing
from nodeagent.datapath.host_listeners import HostListeners
from nodeagent.datapath.netlink import Netlink
from nodeagent.datapath.outside_services import OutsideServices
from nodeagent.datapath.outside_world import OutsideWorld
from nodeagent.datapath.uplinks import Carriers, Uplinks
from nodeagent.datapath.veth_faults import VethFaults
from podruntime.cri import ContainerRequest, ExecSyncRequest, StopContainerRequest, request
from podruntime.sandbox.control import ControlSocket, _Peer
from podruntime.sandbox.pod import CreateRequest

_NOW = 1000.0
_CALLS_MAX = 20
_MALFORMED = (ValueError, TypeError, msgpack.UnpackException, msgpack.BufferFull)
Params = dict[str, Any]


class Reader:
    """Who is told of packets and events: it never keeps up."""

    backlog_octets = 1 << 30

    def tell(self, method: str, params: Params) -> None:
        """Take what is told."""


def values(octets: bytes) -> Iterator[object]:
    """Return what *octets* decode to, up to the first that make no sense."""
    unpacker = msgpack.Unpacker(strict_map_key=False, max_buffer_size=1 << 20)
    unpacker.feed(octets)
    try:
        yield from unpacker
    except _MALFORMED:
        return


def _netlink(stage: Stage) -> Netlink:
    node, nothing = stage.kernel.node, lambda *_arguments: None
    transport = TransportMap({"192.168.64.0/24": "127.0.1.0/24"})
    services = OutsideServices(node.outside, lambda _asking: "", lambda: _NOW, nothing)
    return Netlink(
        node,
        stage.kernel.control,
        Uplinks(node, transport, Carriers(nothing, nothing, nothing, 8285)),
        lambda: _NOW,
        veths=VethFaults(node, nothing, nothing, nothing),
        host_listeners=HostListeners(node.stack, "127.0.1.1", lambda: _NOW, nothing),
        world=OutsideWorld(
            node, services, [IPv4Address("192.168.64.254")], is_near=lambda _address: False
        ),
        after=nothing,
        on_links_deleted=nothing,
        on_frontends=nothing,
        frontend_state=lambda *_key: {"listening": False, "error": ""},
        shell_drops=dict,
    )


def _tables(stage: Stage) -> list[object]:
    """Return what a call that is refused must leave as it was."""
    node = stage.kernel.node
    lists = (listing.links, listing.addresses, listing.vteps, listing.routes, listing.fdb,
             listing.frontends, listing.address_sets, listing.policies)  # fmt: skip
    return [each(node) for each in lists]


async def _calls(octets: bytes) -> None:
    stage, reader = Stage(), Reader()
    handlers = _netlink(stage)._handlers()
    names, stream = sorted(handlers), values(octets)
    for _, (method, params) in zip(
        range(_CALLS_MAX), zip(stream, stream, strict=False), strict=False
    ):
        name = names[method % len(names)] if isinstance(method, int) else str(method)
        if name not in handlers or not isinstance(params, dict):
            continue
        if name == "probe" and "timeout_s" in params:
            params["timeout_s"] = 0  # Nobody waits here.
        before = _tables(stage)
        try:
            await handlers[name](reader, params)  # type: ignore[arg-type]
        except RpcError:
            assert _tables(stage) == before, f"{name} was refused, and has done something"
    stage.world.run(limit_s=0.01)


def netlink_calls(octets: bytes) -> None:
    """Any call is done or refused; what is refused has changed nothing."""
    asyncio.run(_calls(octets))


async def _control(octets: bytes) -> None:
    host = IpHost(address=IPv4Interface("10.0.0.1/24"), mtu=1450, rng=random.Random(1))
    probing = Probing(host, lambda: _NOW, lambda: None)
    tasks = Tasks()

    async def probe(params: Params) -> object:
        return await probing.probe(params | {"timeout_s": 0})

    kinds = {"create": CreateRequest, "start": ContainerRequest, "stop": StopContainerRequest,
             "exec": ExecSyncRequest}  # fmt: skip
    methods: dict[str, Any] = {
        name: lambda params, kind=kind: repr(request(kind, params)) for name, kind in kinds.items()
    }
    methods |= {"probe": probe, "sockets": lambda _params: socket_table.sockets(host, _NOW)}
    control = ControlSocket(Path("unused"), methods, asyncio.get_running_loop(), tasks)
    ours, theirs = socket.socketpair()
    peer = _Peer(control, ours)
    control.peers[peer] = None
    theirs.setblocking(False)
    theirs.send(octets[:16_000])
    theirs.shutdown(socket.SHUT_WR)
    try:
        async with asyncio.timeout(5):
            while control.peers:
                await asyncio.sleep(0)
    finally:
        peer.close()
        await asyncio.sleep(0)  # What was asked for has begun, at least.
        await tasks.close()
        theirs.close()


def control_socket(octets: bytes) -> None:
    """Any octets are answered, or cut the connection."""
    asyncio.run(_control(octets))


def _packed(*calls: object) -> bytes:
    return b"".join(map(msgpack.packb, calls))


_LINK = {"name": "veth1", "mac": "0a:58:0a:f4:01:09", "address": "10.244.1.9/24"}
_FRONTEND = {"address": "10.96.0.9", "port": 80, "protocol": "TCP", "service": "a/b",
             "backends": [{"address": "10.244.1.5", "port": 80}]}  # fmt: skip
_BLOCK = {"cidr": "10.0.0.0/8", "excluded": ["10.1.0.0/16"]}
_RULE = {"policy": "a/b", "ports": [{"protocol": "TCP", "first": 1, "last": 9}], "anyone": False,
         "sets": ["s"], "blocks": [_BLOCK]}  # fmt: skip
_POLICY = {"pod": "a/b", "addresses": ["10.244.1.5"], "egress": None,
           "ingress": {"policies": ["a/b"], "rules": [_RULE]}}  # fmt: skip
_ROUTE = {"destination": "10.9.0.0/16", "device": "", "type": "blackhole"}

TARGETS = {
    "netlink-calls": Target(netlink_calls, ("nodeagent.datapath", "netdev"), [
        _packed("link_replace", {"entries": [_LINK]}, "link_list", {}, "link_delete",
                {"keys": ["veth1"]}),
        _packed("frontend_replace", {"entries": [_FRONTEND]}, "frontend_list", {}),
        _packed("address_set_replace", {"entries": [{"name": "s", "addresses": ["10.0.0.9"]}]},
                "policy_replace", {"entries": [_POLICY]}),
        _packed("route_replace", {"entries": [_ROUTE]}, "route_delete", {"keys": ["10.9.0.0/16"]}),
        _packed("capture_open", {"interface": "any", "filter": "tcp port 80", "dropped": True}),
        _packed("probe", {"address": "10.244.1.1", "timeout_s": 0}, "conntrack_list", {}),
        _packed("impairment_replace", {"entries": [{"remote": "192.168.64.2", "loss": 0.5}]}),
        _packed("settings", {"cluster_cidr": "10.244.0.0/16", "masquerade_cidr": ""}),
    ]),
    "control-socket": Target(control_socket, ("podruntime.sandbox", "netdev", "netstack"), [
        _packed([0, 1, "probe", {"address": "10.0.0.1"}], [0, 2, "sockets", {}]),
        _packed([0, 1, "exec", {"container_id": "a", "cmd": ["ls"], "timeout_s": 1}]),
        bytes.fromhex("82910102"),
    ]),
}  # fmt: skip
