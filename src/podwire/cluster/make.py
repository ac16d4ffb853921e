"""Bring a new cluster into being on disk: directory, certificates, kubeconfigs, configurations."""

from __future__ import annotations

from kubeapi.client.kubeconfig import write_kubeconfig
from podwire.cluster import configs, etcd, families, layout, pki
from podwire.cluster.layout import (
    API_PORT,
    Cluster,
    Layout,
    UsageError,
    control_plane_host,
    node_name,
)
from podwire.cluster.pki import Authority, Identity, KeyPair
from podwire.cluster.plan import HOLLOW, master_name


def make(cluster: Cluster, paths: Layout) -> None:
    """Write everything that *cluster*'s processes need to start; existing keys of a CA stay.

    `cluster.json` comes first: it marks the directory as ours, however far the rest comes.
    """
    paths.make_directories()
    paths.write_cluster(cluster)
    maker = _Maker(cluster, paths)
    maker.control_planes()
    for number in cluster.node_numbers:
        maker.node(number)
    maker.hollow()
    maker.admin()
    configs.write_configs(cluster, paths)


def make_node(cluster: Cluster, paths: Layout, number: int, token: str = "") -> None:
    """Write what one more node's processes need to start; *cluster* has it already.

    With a bootstrap *token* it gets its credentials as client by itself (TLS bootstrap).
    Raises UsageError when the authority that the others trust is gone.
    """
    _check_authority(paths)
    _Maker(cluster, paths).node(number, token)
    configs.write_node(cluster, paths, number)


def make_hollow(cluster: Cluster, paths: Layout) -> None:
    """Write what the hollow nodes' process needs; raises UsageError as `make_node`."""
    _check_authority(paths)
    _Maker(cluster, paths).hollow()
    configs.write_hollow(cluster, paths)


def _check_authority(paths: Layout) -> None:
    for path in (paths.certificate("ca"), paths.private_key("ca")):
        if not path.exists():
            raise UsageError(
                f"{path} is missing: nobody can sign the node's certificate; a new start makes "
                f"another: podwire down --keep-state{paths.name_option}, "
                f"podwire up{paths.name_option}"
            )


class _Maker:
    """Signs certificates and writes them where configurations say that they are."""

    def __init__(self, cluster: Cluster, paths: Layout) -> None:
        self._cluster, self._paths = cluster, paths
        self._authority = _authority(cluster, paths, "ca")
        self._now = pki.utc_now()

    def control_planes(self) -> None:
        """Make what API servers, schedulers and controller managers show each other."""
        cluster = self._cluster
        self._write("apiserver", self._issue(pki.apiserver_identity(_api_addresses(cluster))))
        pki.write_signing_key(self._paths.private_key("sa"), self._paths.public_key("sa"))
        self._write("apiserver-kubelet-client", self._issue(pki.KUBELET_CLIENT))
        for number in cluster.masters:
            server = _url(cluster.transport_address(control_plane_host(number)))
            for component, identity in (
                ("scheduler", pki.SCHEDULER),
                ("controller-manager", pki.CONTROLLER_MANAGER),
            ):
                name = master_name(cluster, component, number)
                self._kubeconfig(name, identity, self._issue(identity), server)
        if cluster.store == "etcd":
            self._etcd()

    def _etcd(self) -> None:
        """Make what etcd's members and clients show each other, by an authority of their own."""
        cluster = self._cluster
        authority = _authority(cluster, self._paths, etcd.CA)
        self._write(etcd.CLIENT, authority.issue(pki.ETCD_CLIENT, self._now))
        doors = [cluster.far_address(control_plane_host(number)) for number in cluster.masters]
        # A member looks up where a peer dials from: the kernel chooses that loopback address.
        doors.append("127.0.0.1")
        for number in cluster.masters:
            name = master_name(cluster, "etcd", number)
            addresses = [cluster.transport_address(control_plane_host(number)), *doors]
            identity = pki.etcd_identity(name, etcd.SERVER_NAME, addresses)
            self._write(name, authority.issue(identity, self._now))

    def node(self, number: int, token: str = "") -> None:
        """Make a node's certificate and the kubeconfig that it dials the control plane by."""
        cluster = self._cluster
        name = node_name(number)
        identity = pki.node_identity(
            name,
            [
                *cluster.host_addresses(number),
                cluster.transport_address(number),
                cluster.far_address(number),
            ],
        )
        pair = self._issue(identity)
        self._write(name, pair)
        server = _url(cluster.far_address(cluster.endpoint_host))
        if token:
            self._bootstrap_kubeconfig(name, token, server)
        else:
            self._kubeconfig(name, identity, pair, server)

    def _bootstrap_kubeconfig(self, name: str, token: str, server: str) -> None:
        """Make the kubeconfig by which a node asks for its certificate."""
        paths = self._paths
        paths.component_kubeconfig(name).unlink(missing_ok=True)
        pki.write_private(paths.bootstrap_token(name), token.encode())
        write_kubeconfig(
            paths.bootstrap_kubeconfig(name),
            server=server,
            ca_pem=paths.certificate("ca").read_text(),
            token_file=str(paths.bootstrap_token(name)),
            cluster_name=self._cluster.name,
            user_name="tls-bootstrap-token-user",
        )

    def hollow(self) -> None:
        """Make what the hollow nodes' one process dials the control plane by."""
        if self._cluster.hollow_numbers:
            pair = self._issue(pki.HOLLOW_NODES)
            self._kubeconfig(HOLLOW, pki.HOLLOW_NODES, pair, self._cluster.api_url)

    def admin(self) -> None:
        """Make the person's kubeconfig."""
        paths = self._paths
        self._kubeconfig("admin", pki.ADMIN, self._issue(pki.ADMIN), self._cluster.api_url)
        paths.component_kubeconfig("admin").replace(paths.kubeconfig)

    def _issue(self, identity: Identity) -> KeyPair:
        return self._authority.issue(identity, self._now)

    def _write(self, name: str, pair: KeyPair) -> None:
        pki.write_pair(pair, self._paths.certificate(name), self._paths.private_key(name))

    def _kubeconfig(self, name: str, identity: Identity, pair: KeyPair, server: str) -> None:
        cluster = self._cluster
        write_kubeconfig(
            self._paths.component_kubeconfig(name),
            server=server,
            ca_pem=self._paths.certificate("ca").read_text(),
            certificate_pem=pair.certificate.decode(),
            key_pem=pair.private_key.decode(),
            cluster_name=f"podwire-{cluster.name}" if cluster.name != "podwire" else "podwire",
            user_name=identity.user,
        )


def _url(address: str) -> str:
    return f"https://{address}:{API_PORT}"


def _api_addresses(cluster: Cluster) -> list[str]:
    """Return every address at which somebody may dial an API server."""
    hosts = [control_plane_host(number) for number in cluster.masters]
    if cluster.control_planes > 1:
        hosts.append(layout.ENDPOINT_HOST)
    found = ["127.0.0.1", *families.first_addresses(cluster.service_cidr)]
    for host in hosts:
        found += [
            cluster.transport_address(host),
            cluster.far_address(host),
            *cluster.host_addresses(host),
        ]
    return found


def _authority(cluster: Cluster, paths: Layout, name: str) -> Authority:
    certificate, key = paths.certificate(name), paths.private_key(name)
    if certificate.exists() and key.exists():
        try:
            return Authority.load(certificate.read_bytes(), key.read_bytes())
        except ValueError:
            raise UsageError(
                f"{certificate.parent} holds no {name} that can sign: {name}.crt and {name}.key "
                "are damaged or of two authorities; "
                f"podwire down{paths.name_option} removes the damaged cluster"
            ) from None
    authority = Authority.new(f"podwire-{cluster.name}-{name}", pki.utc_now())
    pki.write_pair(authority.pair, certificate, key)
    return authority
