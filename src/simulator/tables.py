"""What a node's agents write into its datapath: flannel's and kube-proxy's entries."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Final

from netstack.wire.ethernet import format_mac
from nodeagent.datapath import tables
from nodeagent.datapath.control import Control
from simulator.kernel import node_address

CLUSTER_CIDR: Final = "10.244.0.0/16"
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


def write_node(control: Control, number: int) -> None:
    """Give node *number* its own addresses and its VTEP."""
    control.settings(tables.Settings(cluster_cidr=CLUSTER_CIDR, masquerade_cidr=CLUSTER_CIDR))
    control.address_replace(
        [
            tables.Address(address=f"10.244.{number}.1/24", device="cni0"),
            tables.Address(address=f"10.244.{number}.0/32", device="flannel.1"),
        ]
    )
    local = str(node_address(number))
    control.vtep_replace([tables.Vtep(name="flannel.1", vni=1, mac=vtep_mac(number), local=local)])


def write_remote(control: Control, other: int) -> None:
    """Tell a node of node *other*: one route, one neighbour, one forwarding entry."""
    via, mac, remote = f"10.244.{other}.0", vtep_mac(other), str(node_address(other))
    write_route(control, f"{via}/24", via=other)
    control.neighbour_replace([tables.Neighbour(address=via, device="flannel.1", mac=mac)])
    control.fdb_replace([tables.Fdb(mac=mac, device="flannel.1", remote=remote)])


def write_route(control: Control, destination: str, *, via: int) -> None:
    """Send *destination* through the overlay to node *via*."""
    control.route_replace(
        [
            tables.Route(
                destination=destination, device="flannel.1", via=f"10.244.{via}.0", onlink=True
            )
        ]
    )


def write_link(control: Control, name: str, address: IPv4Address) -> None:
    """Make a port for a pod."""
    mac = format_mac(b"\x0a\x58" + address.packed)
    control.link_replace([tables.Link(name=name, mac=mac, address=f"{address}/24")])


def write_service(control: Control, index: int, endpoints: Sequence[IPv4Address]) -> None:
    """Program service *index*: ClusterIP for TCP and UDP, and a NodePort."""
    address, name = str(service_address(index)), f"default/service-{index}"
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
                address="",
                port=NODE_PORT_FIRST + index,
                protocol="TCP",
                service=name,
                backends=tcp,
                masquerade="always",
            ),
        ]
    )
