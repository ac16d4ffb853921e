"""Bring a new cluster into being on disk: directory, certificates, kubeconfigs, configurations."""

from __future__ import annotations

from kubeapi.client.kubeconfig import write_kubeconfig
from podwire.cluster import layout, pki, plan
from podwire.cluster.layout import Cluster, Layout, UsageError, node_name
from podwire.cluster.pki import Authority, Identity, KeyPair


def make(cluster: Cluster, paths: Layout) -> None:
    """Write everything that *cluster*'s processes need to start; existing keys of a CA stay.

    `cluster.json` comes first: it marks the directory as ours, however far the rest comes.
    """
    paths.make_directories()
    paths.write_cluster(cluster)
    authority = _authority(cluster, paths)
    now = pki.utc_now()
    host = layout.CONTROL_PLANE_HOST
    first_service_address = cluster.service_cidr.split("/")[0].rsplit(".", 1)[0] + ".1"
    apiserver = pki.apiserver_identity(
        [
            "127.0.0.1",
            cluster.transport_address(host),
            cluster.underlay_address(host),
            first_service_address,
        ]
    )
    _write(paths, "apiserver", authority.issue(apiserver, now))
    _write(paths, "apiserver-kubelet-client", authority.issue(pki.KUBELET_CLIENT, now))
    users: dict[str, Identity] = {
        "scheduler": pki.SCHEDULER,
        "controller-manager": pki.CONTROLLER_MANAGER,
    }
    for number in range(1, cluster.nodes + 1):
        name = node_name(number)
        addresses = [cluster.underlay_address(number), cluster.transport_address(number)]
        users[name] = pki.node_identity(name, addresses)
    for name, identity in users.items():
        pair = authority.issue(identity, now)
        if identity.serves:
            _write(paths, name, pair)
        _write_kubeconfig(cluster, paths, name, identity, pair)
    _write_kubeconfig(cluster, paths, "admin", pki.ADMIN, authority.issue(pki.ADMIN, now))
    paths.component_kubeconfig("admin").replace(paths.kubeconfig)
    plan.write_configs(cluster, paths)


def _authority(cluster: Cluster, paths: Layout) -> Authority:
    certificate, key = paths.certificate("ca"), paths.private_key("ca")
    if certificate.exists() and key.exists():
        try:
            return Authority.load(certificate.read_bytes(), key.read_bytes())
        except ValueError:
            raise UsageError(
                f"{certificate.parent} holds no CA that can be read; "
                f"podwire down{paths.name_option} removes the damaged cluster"
            ) from None
    authority = Authority.new(f"podwire-{cluster.name}-ca", pki.utc_now())
    pki.write_pair(authority.pair, certificate, key)
    return authority


def _write(paths: Layout, name: str, pair: KeyPair) -> None:
    pki.write_pair(pair, paths.certificate(name), paths.private_key(name))


def _write_kubeconfig(
    cluster: Cluster, paths: Layout, name: str, identity: Identity, pair: KeyPair
) -> None:
    write_kubeconfig(
        paths.component_kubeconfig(name),
        server=cluster.api_url,
        ca_pem=paths.certificate("ca").read_text(),
        certificate_pem=pair.certificate.decode(),
        key_pem=pair.private_key.decode(),
        cluster_name=f"podwire-{cluster.name}" if cluster.name != "podwire" else "podwire",
        user_name=identity.user,
    )
