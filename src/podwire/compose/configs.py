"""What each process of a cluster of containers is told (contracts §§1, 10).

Paths are those inside the process's own container, and every log goes to the container's standard
output, where `docker compose logs` finds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from podwire.cluster import layout, outside
from podwire.cluster.configs import datapath_addresses6, node_settings
from podwire.cluster.families import NETWORKS
from podwire.cluster.layout import Cluster
from podwire.compose import hosts
from podwire.compose.hosts import CLUSTER, MOUNTED, STATE
from podwire.compose.settings import NODES, Settings

Config = dict[str, Any]

STDOUT: Final = "/dev/stdout"
ETCD_CLIENT_PORT: Final = 2379
_ETCD_PEER_PORT: Final = 2380
_ANY_ADDRESS: Final = "0.0.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What all configurations of a cluster have in common."""

    uid: str
    control_planes: int
    settings: Settings

    @property
    def cluster(self) -> Cluster:
        """Return the cluster as `podwire up` would describe it: its networks and sizes."""
        settings = self.settings
        return Cluster(
            name=CLUSTER.directory.name,
            nodes=NODES,
            uid=self.uid,
            store="etcd",
            control_planes=self.control_planes,
            timings=settings.timings,
            underlay=settings.subnet,
            mtu=settings.mtu,
            ingress=settings.ingress,
            dns_replicas=settings.dns_replicas,
            proxy_mode=settings.proxy_mode,
            ipvs_scheduler=settings.ipvs_scheduler,
            outside=settings.outside,
            non_masquerade_cidrs=settings.non_masquerade_cidrs,
            **NETWORKS[settings.ip_family],
        )

    @property
    def transport_map(self) -> dict[str, str]:
        """Return what carries which network: IPv4 itself, and with IPv6 that by IPv4."""
        subnet = self.settings.subnet
        return {
            network: subnet for network in self.cluster.transport_map if 6 in self.cluster.families
        }

    def masters(self) -> range:
        return range(1, self.control_planes + 1)

    def api_address(self, number: int) -> str:
        """Return where API server *number* listens."""
        return self.settings.address(hosts.control_plane_host(number))

    def api_url(self, number: int) -> str:
        return f"https://{self.api_address(number)}:{layout.API_PORT}"

    @property
    def node_api_url(self) -> str:
        """Return how a node reaches the API: directly, or by the balancer in its container."""
        if self.control_planes > 1:
            return f"https://127.0.0.1:{layout.API_PORT}"
        return self.api_url(1)

    @property
    def host_api_url(self) -> str:
        """Return how this machine's kubectl reaches the API, by a published port."""
        settings = self.settings
        port = settings.api_port if self.control_planes == 1 else settings.ha_api_port
        return f"https://127.0.0.1:{port}"


def control_plane(given: Parameters, number: int) -> Iterator[tuple[str, Config]]:
    """Yield the names and configurations of what runs on control-plane host *number*."""
    yield "apiserver", _apiserver(given, number)
    for name in ("scheduler", "controller-manager"):
        process = _numbered(given, name, number)
        config = _base(given, process) | {
            "name": process,
            "kubeconfig": str(MOUNTED.kubeconfig(name)),
            "timings": given.settings.timings,
        }
        if name == "controller-manager":
            config["cluster_cidr"] = given.cluster.cluster_cidr
            config["node_cidr_mask"] = given.cluster.node_cidr_mask
            config["node_balancers"] = True  # Docker's network has no addresses to spare.
            config["root_ca"] = str(MOUNTED.certificate("ca"))
            config["service_account_key"] = str(MOUNTED.private_key("sa"))
            config["cluster_signing_cert"] = str(MOUNTED.certificate("ca"))
            config["cluster_signing_key"] = str(MOUNTED.private_key("ca"))
        yield name, config


def _numbered(given: Parameters, name: str, number: int) -> str:
    return name if given.control_planes == 1 else f"{name}-{number}"


def _base(given: Parameters, process: str) -> Config:
    return {"log_file": STDOUT, "journal": str(CLUSTER.journal(process.replace("/", ".")))}


def _apiserver(given: Parameters, number: int) -> Config:
    name, cluster = _numbered(given, "apiserver", number), given.cluster
    return _base(given, name) | {
        "name": name,
        "cluster_name": cluster.name,
        "cluster_uid": given.uid,
        "bind": _ANY_ADDRESS,
        "port": layout.API_PORT,
        "advertise_address": cluster.host_addresses(hosts.control_plane_host(number))[0],
        "certificate": str(MOUNTED.certificate("apiserver")),
        "private_key": str(MOUNTED.private_key("apiserver")),
        "client_ca": str(MOUNTED.certificate("ca")),
        "kubelet_certificate": str(MOUNTED.certificate("apiserver-kubelet-client")),
        "kubelet_private_key": str(MOUNTED.private_key("apiserver-kubelet-client")),
        "addons": str(MOUNTED.addons),
        "service_account_key": str(MOUNTED.private_key("sa")),
        "store_path": "",
        "etcd_endpoints": _etcd_endpoints(given, number),
        "etcd_ca": str(MOUNTED.certificate("etcd-ca")),
        "etcd_certificate": str(MOUNTED.certificate("apiserver-etcd-client")),
        "etcd_private_key": str(MOUNTED.private_key("apiserver-etcd-client")),
        "service_cidr": cluster.service_cidr,
        "node_port_range": "30000-32767",
        "transport_map": given.transport_map,
        "control_socket": str(STATE / "control.sock"),
        "timings": given.settings.timings,
    }


def _etcd_endpoints(given: Parameters, own: int) -> list[str]:
    """Return every member's address, that of the master's own number first."""
    numbers = sorted(given.masters(), key=lambda number: (number != own, number))
    address = given.settings.address
    return [f"{address(hosts.etcd_host(number))}:{ETCD_CLIENT_PORT}" for number in numbers]


def node(given: Parameters, number: int) -> Iterator[tuple[str, Config]]:
    """Yield the roles and configurations of what runs on node *number*."""
    name = layout.node_name(number)
    directory = str(CLUSTER.node(name))
    yield "podruntime", {"log_file": STDOUT, "node_name": name, "directory": directory}
    yield "datapath", _datapath(given, number)
    yield "nodeagent", _nodeagent(given, number)
    if given.control_planes > 1:
        yield "balancer", balancer(given, name, "127.0.0.1")


def _datapath(given: Parameters, number: int) -> Config:
    address = given.settings.address
    return {
        "log_file": STDOUT,
        "node_name": layout.node_name(number),
        "internal_ip": address(number),
        "transport_map": given.transport_map,
        "directory": str(CLUSTER.node(layout.node_name(number))),
        "vxlan_port": layout.VXLAN_PORT,
        "underlay_port": layout.UNDERLAY_PORT,
        "mtu": given.settings.mtu,
        "host_address": address(layout.OUTSIDE_HOST),
        "outside_services": outside.rows(given.settings.outside, given.cluster.families),
    } | datapath_addresses6(given.cluster, number)


def _nodeagent(given: Parameters, number: int) -> Config:
    name, cluster = layout.node_name(number), given.cluster
    return (
        _base(given, f"{name}/nodeagent")
        | {
            "node_name": name,
            "kubeconfig": str(MOUNTED.kubeconfig("kubelet")),
            "internal_ip": given.settings.address(number),
            "internal_ip6": cluster.underlay_address6(number),
            "transport_map": given.transport_map,
            "directory": str(CLUSTER.node(layout.node_name(number))),
            "server_certificate": str(MOUNTED.certificate("kubelet")),
            "server_private_key": str(MOUNTED.private_key("kubelet")),
            "client_ca": str(MOUNTED.certificate("ca")),
        }
        | node_settings(cluster)
    )


def balancer(given: Parameters, host: str, bind: str) -> Config:
    """Return how *host* balances over the live API servers."""
    targets = [
        {
            "host": f"control-plane-{number}",
            "address": [given.api_address(number), layout.API_PORT],
        }
        for number in given.masters()
    ]
    return {
        "log_file": STDOUT,
        "name": f"{host} balancer" if host != hosts.BALANCER else host,
        "balancer": {"listen": [bind, layout.API_PORT], "targets": targets},
        "ca": str(MOUNTED.certificate("ca")),
    }


def etcd(given: Parameters, number: int) -> Config:
    """Return etcd's own configuration file; YAML reads JSON."""
    address = given.settings.address(hosts.etcd_host(number))
    members = {
        f"etcd-{each}": f"https://{given.settings.address(hosts.etcd_host(each))}"
        for each in given.masters()
    }
    tls = {
        "cert-file": str(MOUNTED.certificate("etcd")),
        "key-file": str(MOUNTED.private_key("etcd")),
        "trusted-ca-file": str(MOUNTED.certificate("etcd-ca")),
        "client-cert-auth": True,
    }
    peers = (f"{name}={url}:{_ETCD_PEER_PORT}" for name, url in members.items())
    return {
        "name": f"etcd-{number}",
        "data-dir": str(MOUNTED.etcd_data),
        "listen-client-urls": f"https://{_ANY_ADDRESS}:{ETCD_CLIENT_PORT}",
        "advertise-client-urls": f"https://{address}:{ETCD_CLIENT_PORT}",
        "listen-peer-urls": f"https://{_ANY_ADDRESS}:{_ETCD_PEER_PORT}",
        "initial-advertise-peer-urls": f"https://{address}:{_ETCD_PEER_PORT}",
        "initial-cluster": ",".join(peers),
        "initial-cluster-token": given.uid,
        "initial-cluster-state": "new",
        "client-transport-security": tls,
        "peer-transport-security": tls,
        "log-level": "warn",
        "log-outputs": ["stdout"],
    }
