"""What each process is told: the configuration files (contracts §§1, 10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from nodeagent.hollow.config import HollowConfig
from podwire.cluster import addons, etcd, layout, outside, wiring
from podwire.cluster.layout import Cluster, Layout, control_plane_host, node_name
from podwire.cluster.plan import FABRIC, HOLLOW, ProcessPlan, master_name, node

Config = dict[str, Any]


def write_configs(cluster: Cluster, paths: Layout) -> None:
    """Write every process's configuration file."""
    write_fabric(cluster, paths)
    paths.addons.write_bytes(msgspec.json.encode(addons.objects(cluster)))
    if cluster.audit_policy:
        paths.audit_policy.write_text(cluster.audit_policy)
    for number in cluster.masters:
        for name, config in _master(cluster, paths, number):
            _write(paths, name, config)
    write_hollow(cluster, paths)
    for number in cluster.node_numbers:
        write_node(cluster, paths, number)


def write_fabric(cluster: Cluster, paths: Layout) -> None:
    """Write the fabric's configuration file: nodes come and go."""
    _write(paths, FABRIC, _fabric(cluster, paths))


def write_hollow(cluster: Cluster, paths: Layout) -> None:
    """Write the configuration file of the hollow nodes, if there are any."""
    if cluster.hollow_numbers:
        _write(paths, HOLLOW, _hollow(cluster, paths))


def write_node(cluster: Cluster, paths: Layout, number: int) -> None:
    """Write the configuration files of one node's processes."""
    for process, config in _node(cluster, paths, number):
        _write(paths, process.file_name, config)


def _write(paths: Layout, file_name: str, config: Config) -> None:
    config["log_file"] = str(paths.log(file_name))
    target = paths.config(file_name)
    draft = target.with_suffix(".new")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(config)) + b"\n")
    draft.replace(target)


def _fabric(cluster: Cluster, paths: Layout) -> Config:
    return {
        "journal": str(paths.journal(FABRIC)),
        "control_socket": str(paths.control_socket(FABRIC)),
        "hosts": wiring.hosts(cluster),
        "doors": wiring.doors(cluster),
        "balancers": wiring.balancers(cluster),
        "certificate": str(paths.certificate("apiserver-kubelet-client")),
        "private_key": str(paths.private_key("apiserver-kubelet-client")),
        "ca": str(paths.certificate("ca")),
    }


def _master(cluster: Cluster, paths: Layout, number: int) -> Iterator[tuple[str, Config]]:
    if cluster.store == "etcd":
        yield master_name(cluster, "etcd", number), etcd.config(cluster, paths, number)
    yield master_name(cluster, "apiserver", number), _apiserver(cluster, paths, number)
    name = master_name(cluster, "controller-manager", number)
    yield (
        name,
        {
            **_lease_holder(cluster, paths, name),
            "serving": _serving(cluster, paths, number, layout.CONTROLLER_MANAGER_PORT),
            "cluster_cidr": cluster.cluster_cidr,
            "node_cidr_mask": cluster.node_cidr_mask,
            "external_map": cluster.external_map,
            "root_ca": str(paths.certificate("ca")),
            "service_account_key": str(paths.private_key("sa")),
            "cluster_signing_cert": str(paths.certificate("ca")),
            "cluster_signing_key": str(paths.private_key("ca")),
        },
    )
    name = master_name(cluster, "scheduler", number)
    yield (
        name,
        {
            **_lease_holder(cluster, paths, name),
            "serving": _serving(cluster, paths, number, layout.SCHEDULER_PORT),
            "control_socket": str(paths.control_socket(name)),
            "scheduler_config": cluster.scheduler_config,
        },
    )


def _lease_holder(cluster: Cluster, paths: Layout, name: str) -> Config:
    return {
        "name": name,
        "kubeconfig": str(paths.component_kubeconfig(name)),
        "timings": cluster.timings,
        "journal": str(paths.journal(name)),
    }


def _serving(cluster: Cluster, paths: Layout, number: int, port: int) -> Config:
    """Return where a component of a control-plane host shows its health and metrics."""
    return {
        "address": cluster.transport_address(control_plane_host(number)),
        "port": port,
        "certificate": str(paths.certificate("apiserver")),
        "private_key": str(paths.private_key("apiserver")),
        "client_ca": str(paths.certificate("ca")),
    }


def _apiserver(cluster: Cluster, paths: Layout, number: int) -> Config:
    host = control_plane_host(number)
    name = master_name(cluster, "apiserver", number)
    config = {
        "name": name,
        "cluster_name": cluster.name,
        "cluster_uid": cluster.uid,
        "bind": cluster.transport_address(host),
        "port": layout.API_PORT,
        "advertise_address": cluster.host_addresses(host)[0],
        "certificate": str(paths.certificate("apiserver")),
        "private_key": str(paths.private_key("apiserver")),
        "client_ca": str(paths.certificate("ca")),
        "kubelet_certificate": str(paths.certificate("apiserver-kubelet-client")),
        "kubelet_private_key": str(paths.private_key("apiserver-kubelet-client")),
        "addons": str(paths.addons),
        "service_account_key": str(paths.private_key("sa")),
        "store_path": str(paths.store),
        "service_cidr": cluster.service_cidr,
        "node_port_range": "30000-32767",
        "transport_map": cluster.transport_map | cluster.hollow_map,
        "fabric_map": cluster.fabric_map | cluster.hollow_map,
        "dial_source": cluster.transport_address(host),
        "control_socket": str(paths.control_socket(name)),
        "journal": str(paths.journal(name)),
        "timings": cluster.timings,
    }
    if cluster.audit_policy:
        config["audit_policy"] = str(paths.audit_policy)
        config["audit_log"] = _audit_log(cluster, paths, name)
    return config | (etcd.client(cluster, paths, number) if cluster.store == "etcd" else {})


def _audit_log(cluster: Cluster, paths: Layout, name: str) -> str:
    """Return where API server *name* writes; of several each has a file of its own."""
    if not cluster.audit_log:
        return str(paths.log(f"{name}.audit"))
    return cluster.audit_log if cluster.control_planes == 1 else f"{cluster.audit_log}.{name}"


def _node(cluster: Cluster, paths: Layout, number: int) -> Iterator[tuple[ProcessPlan, Config]]:
    runtime, datapath, agent = node(number)
    name = node_name(number)
    directory = str(paths.node(name))
    bandwidth = cluster.image_bandwidth_bit_s
    yield (
        runtime,
        {"node_name": name, "directory": directory, "image_bandwidth_bit_s": bandwidth},
    )
    yield datapath, _datapath(cluster, number, directory)
    yield agent, _nodeagent(cluster, paths, number, directory)


def _datapath(cluster: Cluster, number: int, directory: str) -> Config:
    return {
        "node_name": node_name(number),
        "internal_ip": cluster.underlay_address(number),
        "transport_map": cluster.transport_map,
        "fabric_map": cluster.fabric_map,
        "external_map": cluster.external_map,
        "dial_source": cluster.transport_address(number),
        "directory": directory,
        "vxlan_port": layout.VXLAN_PORT,
        "underlay_port": layout.UNDERLAY_PORT,
        "mtu": cluster.mtu,
        "host_address": cluster.underlay_address(layout.OUTSIDE_HOST),
        "dns_upstream": cluster.dns_upstream,
        "outside_services": outside.rows(cluster.outside, cluster.families),
        "outside_any": cluster.outside_any,
    } | datapath_addresses6(cluster, number)


def _nodeagent(cluster: Cluster, paths: Layout, number: int, directory: str) -> Config:
    name = node_name(number)
    return {
        "node_name": name,
        "kubeconfig": str(paths.component_kubeconfig(name)),
        "bootstrap_kubeconfig": str(paths.bootstrap_kubeconfig(name)),
        "internal_ip": cluster.underlay_address(number),
        "internal_ip6": cluster.underlay_address6(number),
        "transport_map": cluster.transport_map,
        "dial_source": cluster.transport_address(number),
        "journal": str(paths.journal(f"{name}.nodeagent")),
        "directory": directory,
        "server_certificate": str(paths.certificate(name)),
        "server_private_key": str(paths.private_key(name)),
        "client_ca": str(paths.certificate("ca")),
    } | node_settings(cluster)


def _hollow(cluster: Cluster, paths: Layout) -> Config:
    settings = node_settings(cluster)
    said = HollowConfig.__struct_fields__
    return {name: value for name, value in settings.items() if name in said} | {
        "kubeconfig": str(paths.component_kubeconfig(HOLLOW)),
        "numbers": cluster.hollow_numbers,
        "directory": str(paths.directory / "nodes"),
        "control_socket": str(paths.control_socket(HOLLOW)),
    }


def datapath_addresses6(cluster: Cluster, number: int) -> Config:
    """Return what a datapath is told of IPv6; nothing where the cluster has none."""
    if 6 not in cluster.families:
        return {}
    return {
        "internal_ip6": cluster.underlay_address6(number),
        "host_address6": cluster.underlay_address6(layout.OUTSIDE_HOST),
    }


def node_settings(cluster: Cluster) -> Config:
    """Return what every nodeagent of *cluster* is told, wherever it runs."""
    return {
        "kubelet_port": layout.KUBELET_PORT,
        "network": cluster.network,
        "cluster_cidr": cluster.cluster_cidr,
        "service_cidr": cluster.service_cidr,
        "cluster_dns": cluster.cluster_dns,
        "node_dns": cluster.host_addresses(layout.OUTSIDE_HOST)[0] if cluster.dns_upstream else "",
        "cluster_domain": cluster.cluster_domain,
        "timings": cluster.timings,
        "cpu": cluster.node_cpu,
        "memory": cluster.node_memory,
        "disk": cluster.node_disk,
        "pods_max": cluster.node_pods_max,
        "mtu": cluster.mtu,
        "cni_conf": cluster.cni_conf,
        "kubelet_config": cluster.kubelet_config,
        "proxy_mode": cluster.proxy_mode,
        "ipvs_scheduler": cluster.ipvs_scheduler,
        "node_port_addresses": cluster.node_port_addresses,
        "non_masquerade_cidrs": cluster.non_masquerade_cidrs,
    }
