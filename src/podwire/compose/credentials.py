"""Who gets which certificate in a cluster of containers.

Two authorities, as kubeadm makes them: the cluster's, and one for etcd, which trusts whoever has
a certificate of its own and must not trust every node. Existing keys stay.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from kubeapi.client.kubeconfig import write_kubeconfig
from podwire.cluster import families, pki
from podwire.cluster.layout import UsageError
from podwire.cluster.pki import Authority, Identity
from podwire.compose import hosts
from podwire.compose.configs import Parameters
from podwire.compose.hosts import Files

_CLUSTER_NAME: Final = "podwire-compose"
_ETCD_CLIENT: Final = Identity(user="kube-apiserver-etcd-client")


class Credentials:
    """Issues what is missing, in each host's folder."""

    def __init__(self, given: Parameters, authorities: Files) -> None:
        self._given, self._authorities, self._now = given, authorities, pki.utc_now()
        self._cluster, self._etcd = (_authority(authorities, name) for name in ("ca", "etcd-ca"))

    def control_plane(self, files: Files, number: int) -> None:
        """Provide control-plane host *number*: API server, scheduler, controller manager."""
        cluster = self._given.cluster
        apiserver = pki.apiserver_identity(
            [
                "127.0.0.1",
                self._given.api_address(number),
                *cluster.host_addresses(hosts.control_plane_host(number)),
                *families.first_addresses(cluster.service_cidr),
            ]
        )
        self._trust(files)
        # The controller manager signs for who asks by the API.
        pki.write_private(files.private_key("ca"), self._cluster.pair.private_key)
        self._issue(files, "apiserver", apiserver)
        self._issue(files, "apiserver-kubelet-client", pki.KUBELET_CLIENT)
        self._share_signing_key(files)
        self._trust_etcd(files)
        self._issue_etcd(files, "apiserver-etcd-client", _ETCD_CLIENT)
        url = self._given.api_url(number)
        for identity in (pki.SCHEDULER, pki.CONTROLLER_MANAGER):
            name = identity.user.removeprefix("system:kube-")
            self._issue(files, name, identity)
            self._kubeconfig(files.kubeconfig(name), files, name, url)

    def etcd(self, files: Files, number: int) -> None:
        """Provide etcd member *number*: one certificate for clients and for its peers."""
        name = f"etcd-{number}"
        address = self._given.settings.address(hosts.etcd_host(number))
        identity = Identity(
            user=name, dns_names=(name, "localhost"), addresses=(address, "127.0.0.1")
        )
        self._trust_etcd(files)
        self._issue_etcd(files, "etcd", identity)

    def node(self, files: Files, number: int) -> None:
        """Provide node *number*: its kubelet, as client and as server."""
        name = hosts.node_names()[number - 1]
        addresses = [
            self._given.settings.address(number),
            *self._given.cluster.host_addresses(number),
        ]
        identity = pki.node_identity(name, list(dict.fromkeys(addresses)))
        self._trust(files)
        self._issue(files, "kubelet", identity)
        self._kubeconfig(files.kubeconfig("kubelet"), files, "kubelet", self._given.node_api_url)

    def balancer(self, files: Files) -> None:
        """Provide who asks the API servers whether they are ready; anybody may."""
        self._trust(files)

    def admin(self, kubeconfig: Path) -> None:
        """Write the kubeconfig of the person at this machine."""
        self._issue(self._authorities, "admin", pki.ADMIN)
        self._kubeconfig(kubeconfig, self._authorities, "admin", self._given.host_api_url)

    def _share_signing_key(self, files: Files) -> None:
        """Let all API servers sign and believe the same tokens."""
        kept = self._authorities
        private, public = kept.private_key("sa"), kept.public_key("sa")
        pki.write_signing_key(private, public)
        pair = pki.KeyPair(public.read_bytes(), private.read_bytes())
        pki.write_pair(pair, files.public_key("sa"), files.private_key("sa"))

    def _trust(self, files: Files) -> None:
        _write(files.certificate("ca"), self._cluster.pair.certificate)

    def _trust_etcd(self, files: Files) -> None:
        _write(files.certificate("etcd-ca"), self._etcd.pair.certificate)

    def _issue(self, files: Files, name: str, identity: Identity) -> None:
        self._issue_of(self._cluster, files, name, identity)

    def _issue_etcd(self, files: Files, name: str, identity: Identity) -> None:
        self._issue_of(self._etcd, files, name, identity)

    def _issue_of(self, authority: Authority, files: Files, name: str, identity: Identity) -> None:
        certificate, key = files.certificate(name), files.private_key(name)
        if not certificate.exists():  # Its key is there before it is.
            pki.write_pair(authority.issue(identity, self._now), certificate, key)

    def _kubeconfig(self, path: Path, files: Files, name: str, server: str) -> None:
        """Put the certificate *name* into a kubeconfig."""
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_kubeconfig(
            path,
            server=server,
            ca_pem=self._cluster.pair.certificate.decode(),
            certificate_pem=files.certificate(name).read_text(),
            key_pem=files.private_key(name).read_text(),
            cluster_name=_CLUSTER_NAME,
            user_name=name,
        )


def _write(path: Path, octets: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(octets)


def _authority(files: Files, name: str) -> Authority:
    certificate, key = files.certificate(name), files.private_key(name)
    certificate.parent.mkdir(mode=0o700, exist_ok=True)
    if certificate.exists():
        try:
            return Authority.load(certificate.read_bytes(), key.read_bytes())
        except (OSError, ValueError):
            raise UsageError(
                "the volume of the certificate authorities is damaged; "
                "docker compose down -v removes the cluster"
            ) from None
    authority = Authority.new(f"{_CLUSTER_NAME}-{name}", pki.utc_now())
    pki.write_pair(authority.pair, certificate, key)
    return authority
