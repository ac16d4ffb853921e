"""The ClusterRoles of people and of the control plane (upstream 1.32: bootstrappolicy/policy.go).

`admin`, `edit` and `view` are made by the aggregation controller out of the roles labelled for
them; custom resources join in by roles of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from controlplane.apiserver.authz.bootstrap_policy.node_rules import NODE_RULES
from controlplane.apiserver.authz.bootstrap_policy.notation import (
    AGGREGATE,
    EVENTS,
    READ,
    READ_WRITE,
    RECORD,
    WRITE,
    aggregated,
    may,
    may_path,
    role,
)
from controlplane.apiserver.authz.rule import Rule
from kubeapi.objects import Object

_HEALTH: Final = "/healthz /livez /readyz"
_REVIEWS: Final = (
    may("create", "authentication.k8s.io", "tokenreviews"),
    may("create", "authorization.k8s.io", "subjectaccessreviews"),
)
_SIGNERS: Final = {
    "legacy-unknown": "kubernetes.io/legacy-unknown",
    "kubelet-serving": "kubernetes.io/kubelet-serving",
    "kube-apiserver-client": "kubernetes.io/kube-apiserver-client",
    "kube-apiserver-client-kubelet": "kubernetes.io/kube-apiserver-client-kubelet",
}
_CSR: Final = "system:certificates.k8s.io:"

#: What `admin` has beyond `edit`, `edit` beyond `view`, and `view`.
_AGGREGATES: Final[dict[str, tuple[Rule, ...]]] = {
    "admin": (
        may("create", "authorization.k8s.io", "localsubjectaccessreviews"),
        may(READ_WRITE, "rbac.authorization.k8s.io", "roles rolebindings"),
    ),
    "edit": (
        may(
            READ,
            "core",
            "pods/attach pods/proxy pods/exec pods/portforward secrets services/proxy",
        ),
        may("impersonate", "core", "serviceaccounts"),
        may(WRITE, "core", "pods pods/attach pods/proxy pods/exec pods/portforward"),
        may("create", "core", "pods/eviction"),
        may(
            WRITE,
            "core",
            "replicationcontrollers replicationcontrollers/scale serviceaccounts services "
            "services/proxy persistentvolumeclaims configmaps secrets events",
        ),
        may("create", "core", "serviceaccounts/token"),
        may(
            WRITE,
            "apps",
            "statefulsets statefulsets/scale daemonsets deployments deployments/scale "
            "deployments/rollback replicasets replicasets/scale",
        ),
        may(WRITE, "autoscaling", "horizontalpodautoscalers"),
        may(WRITE, "batch", "jobs cronjobs"),
        may(
            WRITE,
            "extensions",
            "daemonsets deployments deployments/scale deployments/rollback ingresses replicasets "
            "replicasets/scale replicationcontrollers/scale networkpolicies",
        ),
        may(WRITE, "policy", "poddisruptionbudgets"),
        may(WRITE, "networking.k8s.io", "networkpolicies ingresses"),
        may(READ_WRITE, "coordination.k8s.io", "leases"),
    ),
    "view": (
        may(
            READ,
            "core",
            "pods replicationcontrollers replicationcontrollers/scale serviceaccounts services "
            "services/status endpoints persistentvolumeclaims persistentvolumeclaims/status "
            "configmaps",
        ),
        may(
            READ,
            "core",
            "limitranges resourcequotas bindings events pods/status resourcequotas/status "
            "namespaces/status replicationcontrollers/status pods/log",
        ),
        may(READ, "core", "namespaces"),
        may(READ, "discovery.k8s.io", "endpointslices"),
        may(
            READ,
            "apps",
            "controllerrevisions statefulsets statefulsets/status statefulsets/scale daemonsets "
            "daemonsets/status deployments deployments/status deployments/scale replicasets "
            "replicasets/status replicasets/scale",
        ),
        may(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
        may(READ, "batch", "jobs cronjobs cronjobs/status jobs/status"),
        may(
            READ,
            "extensions",
            "daemonsets daemonsets/status deployments deployments/scale deployments/status "
            "ingresses ingresses/status replicasets replicasets/scale replicasets/status "
            "replicationcontrollers/scale networkpolicies",
        ),
        may(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
        may(READ, "networking.k8s.io", "networkpolicies ingresses ingresses/status"),
    ),
}

_ROLES: Final[dict[str, tuple[Rule, ...]]] = {
    "cluster-admin": (may("*", "*", "*"), may_path("*", "*")),
    "system:discovery": (
        may_path(
            "get",
            f"{_HEALTH} /version /version/ /openapi /openapi/* /api /api/* /apis /apis/*",
        ),
    ),
    "system:monitoring": (
        may_path("get", f"{_HEALTH} /healthz/* /livez/* /readyz/* /metrics /metrics/slis"),
    ),
    "system:basic-user": (
        may("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
        may("create", "authentication.k8s.io", "selfsubjectreviews"),
    ),
    "system:public-info-viewer": (may_path("get", f"{_HEALTH} /version /version/"),),
    "system:service-account-issuer-discovery": (
        may_path("get", "/.well-known/openid-configuration /openid/v1/jwks"),
    ),
    "system:heapster": (
        may(READ, "core", "events pods nodes namespaces"),
        may(READ, "extensions", "deployments"),
    ),
    "system:node": NODE_RULES,
    "system:node-problem-detector": (
        may("get", "core", "nodes"),
        may("patch", "core", "nodes/status"),
        EVENTS,
    ),
    "system:kubelet-api-admin": (
        may(READ, "core", "nodes"),
        may("proxy", "core", "nodes"),
        may("*", "core", "nodes/proxy nodes/metrics nodes/stats nodes/log"),
    ),
    "system:node-bootstrapper": (
        may(f"create {READ}", "certificates.k8s.io", "certificatesigningrequests"),
    ),
    "system:auth-delegator": _REVIEWS,
    "system:kube-aggregator": (may(READ, "core", "services endpoints"),),
    "system:kube-controller-manager": (
        EVENTS,
        may("create", "coordination.k8s.io", "leases"),
        may("get update", "coordination.k8s.io", "leases", "kube-controller-manager"),
        may("create", "core", "secrets serviceaccounts"),
        may("delete", "core", "secrets"),
        may("get", "core", "namespaces secrets serviceaccounts configmaps"),
        may("update", "core", "secrets serviceaccounts"),
        *_REVIEWS,
        may("list watch", "*", "*"),
        may("create", "core", "serviceaccounts/token"),
    ),
    "system:kube-dns": (may("list watch", "core", "endpoints services"),),
    "system:persistent-volume-provisioner": (
        may("get list watch create delete", "core", "persistentvolumes"),
        may("get list watch update", "core", "persistentvolumeclaims"),
        may(READ, "storage.k8s.io", "storageclasses"),
        may("watch", "core", "events"),
        EVENTS,
    ),
    "system:volume-scheduler": (
        may("get list watch patch update", "core", "persistentvolumes"),
        may(READ, "storage.k8s.io", "storageclasses"),
        may("get list watch patch update", "core", "persistentvolumeclaims"),
    ),
    "system:node-proxier": (
        may("list watch", "core", "services endpoints"),
        may(READ, "core", "nodes"),
        EVENTS,
        may("list watch", "discovery.k8s.io", "endpointslices"),
    ),
    "system:kube-scheduler": (
        EVENTS,
        may("create", "coordination.k8s.io", "leases"),
        may("get update", "coordination.k8s.io", "leases", "kube-scheduler"),
        may(READ, "core", "nodes"),
        may(f"{READ} delete", "core", "pods"),
        may("create", "core", "pods/binding bindings"),
        may("patch update", "core", "pods/status"),
        may(READ, "core", "services replicationcontrollers"),
        may(READ, "apps extensions", "replicasets"),
        may(READ, "apps", "statefulsets"),
        may(READ, "policy", "poddisruptionbudgets"),
        may(READ, "core", "persistentvolumeclaims persistentvolumes"),
        *_REVIEWS,
        may(READ, "storage.k8s.io", "csinodes"),
        may(READ, "core", "namespaces"),
        may(READ, "storage.k8s.io", "csidrivers"),
        may(READ, "storage.k8s.io", "csistoragecapacities"),
    ),
    f"{_CSR}certificatesigningrequests:nodeclient": (
        may("create", "certificates.k8s.io", "certificatesigningrequests/nodeclient"),
    ),
    f"{_CSR}certificatesigningrequests:selfnodeclient": (
        may("create", "certificates.k8s.io", "certificatesigningrequests/selfnodeclient"),
    ),
    **{
        f"{_CSR}{name}-approver": (may("approve", "certificates.k8s.io", "signers", signer),)
        for name, signer in _SIGNERS.items()
    },
    #: Nodes remove the directories of volumes that are gone.
    "podwire:local-path": (may("list", "core", "persistentvolumes"),),
    #: What our nodeagents do besides a kubelet's work: as flannel, and as a network policy engine.
    #: Upstream's are pods with accounts of their own.
    "podwire:node-network": (
        may(READ, "core", "nodes pods namespaces"),
        may("patch update", "core", "nodes/status"),
        may(READ, "networking.k8s.io", "networkpolicies"),
        may(
            READ,
            "policy.networking.k8s.io",
            "adminnetworkpolicies baselineadminnetworkpolicies clusternetworkpolicies",
        ),
        may(f"{RECORD} {READ}", "core events.k8s.io", "events"),
    ),
    #: What kubelets and kube-proxies do, of all hollow nodes by one user.
    "podwire:hollow-nodes": (
        may(f"create delete patch update {READ}", "core", "nodes"),
        may("patch update", "core", "nodes/status pods/status"),
        may(f"delete {READ}", "core", "pods"),
        may(READ, "core", "services configmaps secrets persistentvolumeclaims persistentvolumes"),
        may(READ, "discovery.k8s.io", "endpointslices"),
        may(f"create delete patch update {READ}", "coordination.k8s.io", "leases"),
        may(RECORD, "core events.k8s.io", "events"),
    ),
    #: All of our controllers are one user; upstream's have an account and a role each.
    "podwire:controllers": (may("*", "*", "*"),),
}


def cluster_roles() -> Iterator[Object]:
    """Return the roles as objects."""
    yield aggregated("admin")
    yield aggregated("edit", into="admin")
    yield aggregated("view", into="edit")
    for name, rules in _AGGREGATES.items():
        yield role(f"system:aggregate-to-{name}", rules, labels={f"{AGGREGATE}{name}": "true"})
    for name, rules in _ROLES.items():
        yield role(name, rules)
