"""What "netlink" asks, done to a node between two packets (Linux rtnetlink, nfnetlink).

Texts become values here; a text that makes no sense is a ValueError and changes nothing, since a
batch is translated whole before any of it is applied. Whatever a cached verdict may rest on clears
the flow cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Interface,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Final

from netdev.framing import FRAME_OCTETS_MAX
from netdev.segmentation import DATAGRAM_OCTETS_MAX
from netstack.wire import ethernet, vxlan
from netstack.wire.ethernet import parse_mac
from nodeagent.datapath import listing, tables
from nodeagent.datapath.conntrack.connection import Connection
from nodeagent.datapath.devices import Port, Vtep
from nodeagent.datapath.egress_rules import HERE, EgressRule
from nodeagent.datapath.frontends import Frontend, key_of
from nodeagent.datapath.node import Node
from nodeagent.datapath.output import Output
from nodeagent.datapath.packet import FlowTuple, number_of
from nodeagent.datapath.policy import Cidrs, Policy
from nodeagent.datapath.routes import Kind, Route
from nodeagent.datapath.stale_flows import Stale

MTU_MIN: Final = 68  # RFC 791: what every link carries.
VETH_MTU_MAX: Final = FRAME_OCTETS_MAX - ethernet.HEADER_OCTETS
#: What a datagram carries: between nodes of ours, frames may be as long as this ("jumbo").
VTEP_MTU_MAX: Final = DATAGRAM_OCTETS_MAX - vxlan.HEADER_OCTETS - ethernet.HEADER_OCTETS
PORTS_MAX: Final = 512  # A Linux bridge has 1,024; a node of ours 110 pods.
_HERE: Final = {"": HERE, None: None}
_PROTOCOL_NUMBERS: Final = {name: number for number, name in listing.PROTOCOL_NAMES.items()}


def addresses_of(link: tables.Link) -> list[int]:
    """Return the addresses of the pod behind *link*; raises ValueError when one is none."""
    found: list[int] = []
    if link.address:
        found.append(number_of(IPv4Interface(link.address).ip))
    if link.address6:
        found.append(number_of(IPv6Interface(link.address6).ip))
    if not found:
        raise ValueError(f"link {link.name} needs an address")
    return found


class Control:
    """Changes the tables of *node*; *new_output* makes the way to a new link's pod."""

    def __init__(self, node: Node, new_output: Callable[[str], Output]) -> None:
        self._node, self._new_output = node, new_output

    # Links.

    def link_replace(self, entries: Sequence[tables.Link]) -> None:
        links = [(entry, parse_mac(entry.mac), addresses_of(entry)) for entry in entries]
        for entry, _, _ in links:
            if entry.kind == "host" and entry.address6:
                raise ValueError(f"{entry.name}: the node's network is of IPv4 alone")
            if not MTU_MIN <= entry.mtu <= VETH_MTU_MAX:
                raise ValueError(f"mtu of {entry.name} is {MTU_MIN} to {VETH_MTU_MAX}")
        node = self._node
        for entry, mac, addresses in links:
            port = node.ports.get(entry.name)
            if port is not None:
                if port.entry != entry:
                    self._forget(port)
                port.entry = entry
            elif len(node.ports) >= PORTS_MAX:
                raise ValueError(f"{node.bridge.name} has {PORTS_MAX} ports already")
            else:
                node.ports[entry.name] = Port(entry, self._new_output(entry.name))
            if entry.kind == "host":
                node.host_links.add(node.ports[entry.name])
                continue
            for address in addresses:
                known = node.neighbours.mac_of(node.bridge.name, address)
                if known and known != mac:
                    node.neighbours.delete(node.bridge.name, address)
        self._links_changed()

    def link_delete(self, names: Sequence[str]) -> list[str]:
        """Remove links and return the names of those that were there."""
        removed = [name for name in names if name in self._node.ports]
        for name in removed:
            port = self._node.ports.pop(name)
            if not port.is_host:
                self._node.bridge.carried.add(port)
            self._forget(port)
            self._node.host_links.remove(name)
        self._links_changed()
        return removed

    def _links_changed(self) -> None:
        """Let the bridge carry what all its ports do (br_mtu_auto_adjust)."""
        mtus = [port.mtu for port in self._node.ports.values()]
        self._node.bridge.mtu = min(mtus, default=self._node.eth0.overlay_mtu)
        self._node.clear_flows()

    def _forget(self, port: Port) -> None:
        self._node.bridge.fdb.forget_port(port)
        for address in addresses_of(port.entry):
            self._node.neighbours.delete(self._node.bridge.name, address)

    # Addresses, routes, neighbours.

    def address_replace(self, entries: Sequence[tables.Address]) -> None:
        translated = [(ip_interface(each.address), each.device) for each in entries]
        for interface, _ in translated:
            number_of(interface.ip)  # Or a ValueError.
        for interface, device in translated:
            self._node.add_address(interface, device)
        self._node.clear_flows()

    def address_delete(self, keys: Sequence[str]) -> None:
        for interface in [ip_interface(key) for key in keys]:
            self._node.remove_address(interface)
        self._node.clear_flows()

    def vtep_replace(self, entries: Sequence[tables.Vtep]) -> None:
        for entry in entries:
            if not MTU_MIN <= entry.mtu <= VTEP_MTU_MAX:
                raise ValueError(f"mtu of {entry.name} is {MTU_MIN} to {VTEP_MTU_MAX}")
            old = self._node.vtep
            vtep = Vtep(
                entry.name,
                entry.vni,
                parse_mac(entry.mac),
                IPv4Address(entry.local),
                entry.port,
                entry.mtu,
            )
            if old is not None:
                vtep.fdb = old.fdb
                vtep.offload, vtep.offload_remotes = old.offload, old.offload_remotes
                vtep.rx_packets, vtep.rx_octets = old.rx_packets, old.rx_octets
                vtep.tx_packets, vtep.tx_octets = old.tx_packets, old.tx_octets
            self._node.vtep = vtep
        self._node.clear_flows()

    def vtep_delete(self, keys: Sequence[str]) -> None:
        vtep = self._node.vtep
        if vtep is not None and vtep.name in keys:
            self._node.eth0.retire(vtep)
            self._node.vtep = None
        self._node.clear_flows()

    def route_replace(self, entries: Sequence[tables.Route]) -> None:
        routes = [
            Route(
                destination=ip_network(entry.destination),
                device=entry.device,
                via=ip_address(entry.via) if entry.via else None,
                onlink=entry.onlink,
                kind=Kind(entry.type),
                metric=entry.metric,
            )
            for entry in entries
        ]
        for route in routes:
            if not route.device and route.kind is Kind.UNICAST:
                raise ValueError(f"the route to {route.destination} needs a device")
            if route.via is not None and route.via.version != route.destination.version:
                raise ValueError(f"the route to {route.destination} needs a gateway of its family")
        for route in routes:
            self._node.routes.replace(route)
        self._node.clear_flows()

    def route_delete(self, keys: Sequence[str]) -> None:
        for destination in [ip_network(key) for key in keys]:
            self._node.routes.delete(destination)
        self._node.clear_flows()

    def egress_rule_replace(self, entries: Sequence[tables.EgressRule]) -> None:
        rules = [
            EgressRule(
                number_of(ip_address(entry.source)),
                number_of(ip_address(entry.address)),
                number_of(ip_address(entry.gateway)) if entry.gateway else _HERE[entry.gateway],
            )
            for entry in entries
        ]
        self._node.routes.egress.update({rule.source: rule for rule in rules})
        self._node.clear_flows()

    def egress_rule_delete(self, keys: Sequence[str]) -> None:
        for source in [int(ip_address(key)) for key in keys]:
            self._node.routes.egress.pop(source, None)
        self._node.clear_flows()

    def neighbour_replace(self, entries: Sequence[tables.Neighbour]) -> None:
        translated = [
            (entry.device, number_of(ip_address(entry.address)), parse_mac(entry.mac))
            for entry in entries
        ]
        for device, address, mac in translated:
            self._node.neighbours.replace(device, address, mac)
        self._node.clear_flows()

    def neighbour_delete(self, keys: Sequence[tuple[str, str]]) -> None:
        for address, device in [(int(ip_address(key[0])), key[1]) for key in keys]:
            self._node.neighbours.delete(device, address)
        self._node.clear_flows()

    def fdb_replace(self, entries: Sequence[tables.Fdb]) -> None:
        """Configure forwarding entries; only the VTEP has any, the bridge learns its own."""
        translated = [
            (parse_mac(entry.mac), IPv4Address(entry.remote or ""), entry) for entry in entries
        ]
        for mac, remote, entry in translated:
            vtep = self._node.vtep
            if vtep is None or entry.device != vtep.name:
                raise ValueError(f"{entry.device} is no VXLAN device")
            vtep.fdb.replace(mac, remote)
            vtep.set_offload(mac, remote if entry.offload else None)
        self._node.clear_flows()

    def fdb_delete(self, keys: Sequence[tuple[str, str]]) -> None:
        for mac in [parse_mac(key[0]) for key in keys]:
            if self._node.vtep is not None:
                self._node.vtep.fdb.delete(mac)
                self._node.vtep.set_offload(mac, None)
        self._node.clear_flows()

    # Services.

    def frontend_replace(self, entries: Sequence[tables.Frontend]) -> None:
        stale, table = Stale(), self._node.frontends
        for frontend in [Frontend.of(entry) for entry in entries]:
            stale.note(table.get(frontend.key), frontend)
            table.replace(frontend)
        stale.forget(self._node)

    def frontend_delete(self, keys: Sequence[tuple[str, int, str]]) -> None:
        stale = Stale()
        for key in [key_of(*each) for each in keys]:
            stale.note(self._node.frontends.delete(key), None)
        stale.forget(self._node)

    def host_port_replace(self, entries: Sequence[tables.HostPort]) -> None:
        stale, table = Stale(), self._node.host_ports
        for frontend in [Frontend.of(entry.frontend()) for entry in entries]:
            stale.note(table.get(frontend.key), frontend)
            table.replace(frontend)
        stale.forget(self._node)

    def host_port_delete(self, keys: Sequence[tuple[str, int, str]]) -> None:
        for key in [key_of(*each) for each in keys]:
            self._node.host_ports.delete(key)

    # NetworkPolicies.

    def address_set_replace(self, entries: Sequence[tables.AddressSet]) -> None:
        if self._node.network_policies.replace_sets(entries):
            self._node.clear_flows()

    def address_set_delete(self, keys: Sequence[str]) -> None:
        self._node.network_policies.delete_sets(keys)
        self._node.clear_flows()

    def policy_replace(self, entries: Sequence[tables.Policy]) -> None:
        self._node.network_policies.replace(entries)
        self._node.clear_flows()

    def policy_delete(self, keys: Sequence[str]) -> None:
        self._node.network_policies.delete(keys)

    def settings(self, settings: tables.Settings) -> None:
        self._node.policy = Policy(
            Cidrs.parse(settings.cluster_cidr),
            Cidrs.parse(settings.masquerade_cidr),
            dict(settings.rp_filter),
            tuple(ip_network(text) for text in settings.non_masquerade_cidrs),
        )
        self._node.clear_flows()

    def conntrack_delete(self, flows: Sequence[tables.Flow]) -> list[Connection]:
        """Forget the connections whose first packets were these; return those that were there."""
        originals = [
            FlowTuple(
                _PROTOCOL_NUMBERS[flow.protocol]
                if flow.protocol in _PROTOCOL_NUMBERS
                else int(flow.protocol),
                int(ip_address(flow.source)),
                flow.source_port,
                int(ip_address(flow.destination)),
                flow.destination_port,
            )
            for flow in flows
        ]
        conntrack, deleted = self._node.conntrack, []
        for original in originals:
            connection = conntrack.find(original)
            if connection is not None:
                conntrack.delete(connection)
                deleted.append(connection)
        return deleted
