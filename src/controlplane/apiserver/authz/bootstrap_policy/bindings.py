"""Who has the bootstrap roles, and the Roles of system namespaces (upstream 1.32: policy.go,
namespace_policy.go; of kubeadm's bindings those that joining nodes need)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from controlplane.apiserver.authz.bootstrap_policy.notation import (
    EVENTS,
    READ,
    account,
    binding,
    group,
    may,
    role,
    user,
)
from kubeapi.objects import Object

_AUTHENTICATED: Final = group("system:authenticated")
_UNAUTHENTICATED: Final = group("system:unauthenticated")
_MANAGER: Final = user("system:kube-controller-manager")
_SCHEDULER: Final = user("system:kube-scheduler")
_NODES: Final = group("system:nodes")
_JOINING: Final = group("system:bootstrappers:kubeadm:default-node-token")
_CSR: Final = "system:certificates.k8s.io:certificatesigningrequests:"

_SYSTEM: Final = "kube-system"
_PUBLIC: Final = "kube-public"
_SIGNER: Final = "system:controller:bootstrap-signer"
#: Whoever joins reads where the cluster is, before anybody knows who that is (kubeadm).
_INFORMING: Final = "kubeadm:bootstrap-signer-clusterinfo"
_PROVIDER: Final = "system:controller:cloud-provider"
_CLEANER: Final = "system:controller:token-cleaner"
_READER: Final = "extension-apiserver-authentication-reader"
_MASQUERADING: Final = "podwire:ip-masq-agent"  # Every node is its own.
_LOCKING: Final = "system::leader-locking-"


def cluster_role_bindings() -> Iterator[Object]:
    """Return the bindings that hold in every namespace."""
    yield binding("cluster-admin", [group("system:masters")])
    yield binding("system:monitoring", [group("system:monitoring")])
    yield binding("system:discovery", [_AUTHENTICATED])
    yield binding("system:basic-user", [_AUTHENTICATED])
    yield binding("system:public-info-viewer", [_AUTHENTICATED, _UNAUTHENTICATED])
    yield binding("system:node-proxier", [user("system:kube-proxy"), _NODES])
    yield binding("system:kube-controller-manager", [_MANAGER])
    yield binding("system:kube-dns", [account("kube-dns")])
    yield binding("system:kube-scheduler", [_SCHEDULER])
    yield binding("system:volume-scheduler", [_SCHEDULER])
    yield binding("system:node", [])
    accounts = group("system:serviceaccounts")
    yield binding("system:service-account-issuer-discovery", [accounts])
    yield binding("podwire:node-network", [_NODES])
    yield binding("podwire:hollow-nodes", [group("podwire:hollow-nodes")])
    yield binding("podwire:local-path", [_NODES])
    yield binding("podwire:controllers", [_MANAGER])
    yield binding("kubeadm:cluster-admins", [group("kubeadm:cluster-admins")], role="cluster-admin")
    yield binding("kubeadm:kubelet-bootstrap", [_JOINING], role="system:node-bootstrapper")
    yield binding("kubeadm:node-autoapprove-bootstrap", [_JOINING], role=f"{_CSR}nodeclient")
    yield binding(
        "kubeadm:node-autoapprove-certificate-rotation", [_NODES], role=f"{_CSR}selfnodeclient"
    )


def namespace_roles() -> Iterator[Object]:
    """Return the Roles of kube-system and kube-public."""
    yield role(
        _READER,
        [may(READ, "core", "configmaps", "extension-apiserver-authentication")],
        _SYSTEM,
    )
    yield role(_SIGNER, [may(READ, "core", "secrets")], _SYSTEM)
    yield role(_PROVIDER, [may(f"create {READ}", "core", "configmaps")], _SYSTEM)
    yield role(_CLEANER, [may(f"{READ} delete", "core", "secrets"), EVENTS], _SYSTEM)
    for name in ("kube-controller-manager", "kube-scheduler"):
        rules = [may("watch", "core", "configmaps"), may("get update", "core", "configmaps", name)]
        yield role(f"{_LOCKING}{name}", rules, _SYSTEM)
    yield role(_MASQUERADING, [may(READ, "core", "configmaps", "ip-masq-agent")], _SYSTEM)
    signing = [
        may(READ, "core", "configmaps"),
        may("update", "core", "configmaps", "cluster-info"),
        EVENTS,
    ]
    yield role(_SIGNER, signing, _PUBLIC)
    yield role(_INFORMING, [may("get", "core", "configmaps", "cluster-info")], _PUBLIC)


def namespace_role_bindings() -> Iterator[Object]:
    """Return the bindings to those Roles."""
    yield binding(f"system::{_READER}", [_MANAGER, _SCHEDULER], namespace=_SYSTEM, role=_READER)
    for name, who in (("kube-controller-manager", _MANAGER), ("kube-scheduler", _SCHEDULER)):
        yield binding(f"{_LOCKING}{name}", [who, account(name)], namespace=_SYSTEM)
    for name in ("bootstrap-signer", "cloud-provider", "token-cleaner"):
        yield binding(f"system:controller:{name}", [account(name)], namespace=_SYSTEM)
    yield binding(_MASQUERADING, [_NODES], namespace=_SYSTEM)
    yield binding(_SIGNER, [account("bootstrap-signer")], namespace=_PUBLIC)
    yield binding(_INFORMING, [user("system:anonymous")], namespace=_PUBLIC)
