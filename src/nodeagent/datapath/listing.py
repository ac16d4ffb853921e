"""What the tables of a node hold, as "netlink" lists it: texts, ready to be printed."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

import msgspec

from netstack.wire.ethernet import format_mac
from netstack.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP
from netstack.wire.ipv6 import NextHeader
from nodeagent.datapath.conntrack.connection import Connection
from nodeagent.datapath.devices import Carried, Vtep
from nodeagent.datapath.node import Node
from nodeagent.datapath.packet import PROTOCOL_SCTP, FlowTuple

Row = dict[str, object]
_CARRIED: Final = ("rx_packets", "rx_octets", "tx_packets", "tx_octets")
PROTOCOL_NAMES: Final[dict[int, str]] = {
    PROTOCOL_ICMP: "ICMP",
    PROTOCOL_TCP: "TCP",
    PROTOCOL_UDP: "UDP",
    PROTOCOL_SCTP: "SCTP",
    NextHeader.ICMPV6: "ICMPv6",
}


def links(node: Node) -> list[Row]:
    """Ports, then the node's own devices."""
    rows: list[Row] = [
        {
            **msgspec.to_builtins(port.entry),
            "connected": port.connected,
            "rx_packets": port.rx_packets,
            "rx_octets": port.rx_octets,
            "tx_packets": port.tx_packets,
            "tx_octets": port.tx_octets,
            "drops": {str(reason): count for reason, count in port.drops.items()},
        }
        for port in node.ports.values()
    ]
    bridge, eth0, vtep = node.bridge, node.eth0, node.vtep
    carried = bridge.total(port for port in node.ports.values() if not port.is_host)
    rows.append(_device(node, bridge.name, "bridge", bridge.mac, carried))
    rows.append(_device(node, eth0.name, "device", eth0.mac, eth0.total(vtep)))
    if vtep is not None:
        rows.append(_device(node, vtep.name, "vxlan", vtep.mac, vtep))
    return rows


def _device(node: Node, name: str, kind: str, mac: bytes, carried: Carried | Vtep) -> Row:
    of_device = [interface for interface, device in node.addresses.values() if device == name]
    first = {interface.version: str(interface) for interface in reversed(of_device)}
    return {
        "name": name,
        "kind": kind,
        "mac": format_mac(mac),
        "address": first.get(4, ""),
        "address6": first.get(6, ""),
        "mtu": node.mtu_of(name),
        "connected": True,
        **{name: getattr(carried, name) for name in _CARRIED},
        "drops": {},
    }


def addresses(node: Node) -> list[Row]:
    return [
        {"address": str(interface), "device": device}
        for interface, device in node.addresses.values()
    ]


def vteps(node: Node) -> list[Row]:
    vtep = node.vtep
    if vtep is None:
        return []
    return [
        {
            "name": vtep.name,
            "vni": vtep.vni,
            "mac": format_mac(vtep.mac),
            "local": str(vtep.local),
            "port": vtep.port,
            "mtu": vtep.mtu,
        }
    ]


def routes(node: Node) -> list[Row]:
    return [
        {
            "destination": str(route.destination),
            "device": route.device,
            "via": None if route.via is None else str(route.via),
            "onlink": route.onlink,
            "protocol": "kernel" if route.connected else "static",
            "type": str(route.kind),
            "metric": route.metric,
        }
        for route in node.routes.entries()
    ]


def egress_rules(node: Node) -> list[Row]:
    def text(gateway: int | None) -> str | None:
        return str(ip_address(gateway)) if gateway else "" if gateway is not None else None

    return [
        {
            "source": str(ip_address(rule.source)),
            "address": str(ip_address(rule.address)),
            "gateway": text(rule.gateway),
        }
        for rule in node.routes.egress.values()
    ]


def neighbours(node: Node) -> list[Row]:
    return [
        {
            "address": str(ip_address(address)),
            "device": device,
            "mac": format_mac(entry.mac),
            "state": str(entry.state),
        }
        for (device, address), entry in node.neighbours.entries()
    ]


def fdb(node: Node) -> list[Row]:
    rows: list[Row] = [
        {"mac": format_mac(mac), "device": port.name, "master": node.bridge.name, "learned": True}
        for mac, port, _ in node.bridge.fdb.entries()
    ]
    if node.vtep is not None:
        rows.extend(
            {
                "mac": format_mac(mac),
                "device": node.vtep.name,
                "remote": str(remote),
                "offload": mac in node.vtep.offload,
                "learned": False,
            }
            for mac, remote, _ in node.vtep.fdb.entries()
        )
    return rows


def frontends(node: Node) -> list[Row]:
    rows: list[Row] = []
    for frontend in node.frontends.entries():
        row = msgspec.to_builtins(frontend.entry)
        virtual = node.frontends.virtual(frontend.key)
        if virtual is not None:
            row["draining"] = [
                {"address": str(ip_address(address)), "port": port, "weight": 0}
                for address, port in virtual.draining()
            ]
        rows.append(row)
    return rows


def host_ports(node: Node) -> list[Row]:
    entries = [frontend.entry for frontend in node.host_ports.entries()]
    return [
        {
            "address": entry.address,
            "port": entry.port,
            "protocol": entry.protocol,
            "pod": entry.service,
            "target": entry.backends[0].address,
            "target_port": entry.backends[0].port,
        }
        for entry in entries
    ]


def conntrack(node: Node, now: float) -> list[Row]:
    return [connection(each, now) for each in node.conntrack]


def connection(each: Connection, now: float) -> Row:
    """Return one connection of the table."""
    protocol = each.original.protocol
    return {
        "protocol": PROTOCOL_NAMES.get(protocol, str(protocol)),
        "state": str(each.tcp_state) if protocol == PROTOCOL_TCP else "",
        "timeout_s": round(max(0.0, each.seen_at + each.timeout_s - now)),
        "original": _tuple(each.original),
        "reply": _tuple(each.reply),
        "assured": each.assured,
        "unreplied": not each.seen_reply,
    }


def _tuple(flow: FlowTuple) -> Row:
    return {
        "source": str(ip_address(flow.source)),
        "source_port": flow.source_port,
        "destination": str(ip_address(flow.destination)),
        "destination_port": flow.destination_port,
    }


def address_sets(node: Node) -> list[Row]:
    return [
        {"name": name, "addresses": sorted(str(ip_address(each)) for each in members)}
        for name, members in node.network_policies.sets().items()
    ]


def policies(node: Node) -> list[Row]:
    return [msgspec.to_builtins(entry) for entry in node.network_policies.entries()]


def policy_log(node: Node, now: float, wall: int) -> Row:
    """Return what policies decided; *wall* is what a clock on the wall shows at *now*, in ns."""
    log = node.network_policies.log

    def at_ns(then: float) -> int:
        return wall - round((now - then) * 1e9)

    return {
        "entries": [
            {
                "first_at_ns": at_ns(note.first_at),
                "at_ns": at_ns(note.last_at),
                "packets": note.packets,
                "action": note.ruling.action,
                "by": note.ruling.by,
                "direction": note.ruling.direction,
                "pod": note.ruling.pod,
                "tier": note.ruling.tier,
                "policies": list(note.ruling.policies),
                "rule": note.ruling.rule,
                "protocol": PROTOCOL_NAMES.get(note.flow.protocol, str(note.flow.protocol)),
                **_tuple(note.flow),
            }
            for note in log.notes()
        ],
        "forgotten": log.forgotten,
    }


def counters(node: Node, shell_drops: Mapping[str, int]) -> Row:
    drops = {str(reason): count for reason, count in node.drops.items()}
    drops |= {reason.value: count for reason, count in node.fragments.drops.items()}
    return {
        "drops": drops | {reason: count for reason, count in shell_drops.items() if count},
        "stack_drops": {reason.value: count for reason, count in node.stack.drops.items()},
        "outside_drops": {
            reason.value: count
            for reason, count in (node.outside.drops if node.outside else {}).items()
        },
        "link_drops": {
            port.name: {str(reason): count for reason, count in port.drops.items()}
            for port in node.ports.values()
            if port.drops
        },
        "policies": dict(node.network_policies.denied),
        "conntrack": len(node.conntrack),
        "flows": sum(
            len(cache)
            for cache in [
                *(port.cache for port in node.ports.values()),
                *([node.vtep.cache] if node.vtep else []),
            ]
        ),
    }
