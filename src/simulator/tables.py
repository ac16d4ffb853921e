"""What a node's agents write into its datapath: flannel's and kube-proxy's entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

from netstack.addresses import IpAddress
from netstack.wire.ethernet import format_mac
from nodeagent.datapath import tables
from nodeagent.datapath.control import Control
from simulator.kernel import node_address
from simulator.plan import Plan

CLUSTER_CIDRS: Final = {4: "10.244.0.0/16", 6: "fd00:10:244::/56"}
POD_TCP_PORT: Final = 8080
POD_UDP_PORT: Final = 9090
SERVICE_TCP_PORT: Final = 80
SERVICE_UDP_PORT: Final = 53
NODE_PORT_FIRST: Final = 30080


def vtep_mac(number: int) -> str:
    """Return the MAC of flannel.1 on node *number*."""
    return f"ee:00:00:00:00:{number:02x}"


def service_address(index: int) -> IPv4Address:
    """Return the ClusterIP of service *index*."""
    return IPv4Address(f"10.96.0.{10 + index}")


def service_address6(index: int) -> IPv6Address:
    """Return the ClusterIP of IPv6 of service *index*."""
    return IPv6Address(f"fd00:10:96::{10 + index:x}")


def pod_network(number: int, version: int) -> str:
    """Return the podCIDR of node *number*; its first address is the VTEP's."""
    return f"10.244.{number}.0/24" if version == 4 else f"fd00:10:244:{number:x}::/64"


def _vtep_address(number: int, version: int) -> str:
    return pod_network(number, version).partition("/")[0]


def write_node(control: Control, number: int, versions: tuple[int, ...]) -> None:
    """Give node *number* its own addresses and its VTEP."""
    cidr = ",".join(CLUSTER_CIDRS[version] for version in versions)
    control.settings(tables.Settings(cluster_cidr=cidr, masquerade_cidr=cidr))
    for version in versions:
        network, longest = ip_network(pod_network(number, version)), 32 if version == 4 else 128
        control.address_replace(
            [
                tables.Address(address=f"{network[1]}/{network.prefixlen}", device="cni0"),
                tables.Address(address=f"{network[0]}/{longest}", device="flannel.1"),
            ]
        )
    local = str(node_address(number))
    control.vtep_replace([tables.Vtep(name="flannel.1", vni=1, mac=vtep_mac(number), local=local)])


def write_remote(control: Control, other: int, plan: Plan) -> None:
    """Tell a node of node *other*: one forwarding entry, and of each version neighbour and route.

    Where there is offload the node with the highest number is a stranger, who takes none.
    """
    mac, remote = vtep_mac(other), str(node_address(other))
    for version in plan.versions:
        write_route(control, pod_network(other, version), via=other)
        via = _vtep_address(other, version)
        control.neighbour_replace([tables.Neighbour(address=via, device="flannel.1", mac=mac)])
    takes = plan.offload and other < plan.nodes
    control.fdb_replace([tables.Fdb(mac=mac, device="flannel.1", remote=remote, offload=takes)])


def write_route(control: Control, destination: str, *, via: int) -> None:
    """Send *destination* through the overlay to node *via*."""
    gateway = _vtep_address(via, 6 if ":" in destination else 4)
    control.route_replace(
        [tables.Route(destination=destination, device="flannel.1", via=gateway, onlink=True)]
    )


def write_link(control: Control, name: str, mac: bytes, addresses: Mapping[int, str]) -> None:
    """Make a port for a pod, which has *addresses* with their lengths of one version or both."""
    control.link_replace(
        [
            tables.Link(
                name=name,
                mac=format_mac(mac),
                address=addresses.get(4, ""),
                address6=addresses.get(6, ""),
            )
        ]
    )


def write_service(
    control: Control, index: int, version: int, endpoints: Sequence[IpAddress]
) -> None:
    """Program service *index* for one version: ClusterIP for TCP and UDP, and a NodePort."""
    four = version == 4
    address = str(service_address(index) if four else service_address6(index))
    name = f"default/service-{index}"
    tcp = [tables.Backend(address=str(each), port=POD_TCP_PORT) for each in endpoints]
    udp = [tables.Backend(address=str(each), port=POD_UDP_PORT) for each in endpoints]
    control.frontend_replace(
        [
            tables.Frontend(
                address=address, port=SERVICE_TCP_PORT, protocol="TCP", service=name, backends=tcp
            ),
            tables.Frontend(
                address=address, port=SERVICE_UDP_PORT, protocol="UDP", service=name, backends=udp
            ),
            tables.Frontend(
                address="" if four else "::",
                port=NODE_PORT_FIRST + index,
                protocol="TCP",
                service=name,
                backends=tcp,
                masquerade="always",
            ),
        ]
    )
