"""The ClusterRoles of upstream's controllers, each for an account of its name in kube-system
(upstream 1.32: bootstrappolicy/controller_policy.go).

Who runs upstream's kube-controller-manager against this API needs them; our own controllers are
one user (`cluster_roles`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from controlplane.apiserver.authz.bootstrap_policy.notation import (
    EVENTS,
    READ,
    account,
    binding,
    may,
    role,
)
from controlplane.apiserver.authz.rule import Rule
from kubeapi.objects import Object

_PREFIX: Final = "system:controller:"
_CHANGE: Final = f"{READ} create delete patch update"
_SIGNER: Final = "kubernetes.io/"
_CLIENT: Final = f"{_SIGNER}kube-apiserver-client"

_ROLES: Final[dict[str, tuple[Rule, ...]]] = {
    "attachdetach-controller": (
        may("list watch", "core", "persistentvolumes persistentvolumeclaims"),
        may(READ, "core", "nodes"),
        may("patch update", "core", "nodes/status"),
        may("list watch", "core", "pods"),
        EVENTS,
        may(f"{READ} create delete", "storage.k8s.io", "volumeattachments"),
        may(READ, "storage.k8s.io", "csidrivers"),
        may(READ, "storage.k8s.io", "csinodes"),
    ),
    "certificate-controller": (
        may(f"{READ} delete", "certificates.k8s.io", "certificatesigningrequests"),
        may(
            "update",
            "certificates.k8s.io",
            "certificatesigningrequests/status certificatesigningrequests/approval",
        ),
        may("approve", "certificates.k8s.io", "signers", f"{_CLIENT}-kubelet"),
        may(
            "sign",
            "certificates.k8s.io",
            "signers",
            f"{_CLIENT} {_CLIENT}-kubelet {_SIGNER}kubelet-serving {_SIGNER}legacy-unknown",
        ),
        may("create", "authorization.k8s.io", "subjectaccessreviews"),
        EVENTS,
    ),
    "clusterrole-aggregation-controller": (
        may(f"escalate {READ} patch update", "rbac.authorization.k8s.io", "clusterroles"),
    ),
    "cronjob-controller": (
        may(f"{READ} update", "batch", "cronjobs"),
        may(_CHANGE, "batch", "jobs"),
        may("update", "batch", "cronjobs/status"),
        may("update", "batch", "cronjobs/finalizers"),
        may("list watch delete", "core", "pods"),
        EVENTS,
    ),
    "daemon-set-controller": (
        may(READ, "apps extensions", "daemonsets"),
        may("update", "apps extensions", "daemonsets/status"),
        may("update", "apps extensions", "daemonsets/finalizers"),
        may("list watch", "core", "nodes"),
        may("list watch create delete patch", "core", "pods"),
        may("create", "core", "pods/binding"),
        may(_CHANGE, "apps", "controllerrevisions"),
        EVENTS,
    ),
    "deployment-controller": (
        may(f"{READ} update", "apps extensions", "deployments"),
        may("update", "apps extensions", "deployments/status"),
        may("update", "apps extensions", "deployments/finalizers"),
        may(_CHANGE, "apps extensions", "replicasets"),
        may(f"{READ} update", "core", "pods"),
        EVENTS,
    ),
    "disruption-controller": (
        may(READ, "apps extensions", "deployments"),
        may(READ, "apps extensions", "replicasets"),
        may(READ, "core", "replicationcontrollers"),
        may(READ, "policy", "poddisruptionbudgets"),
        may(READ, "apps", "statefulsets"),
        may("update", "policy", "poddisruptionbudgets/status"),
        may("patch update", "core", "pods/status"),
        may("get", "*", "*/scale"),
        EVENTS,
    ),
    "endpoint-controller": (
        may(READ, "core", "services pods"),
        may(f"{READ} create update delete", "core", "endpoints"),
        may("create", "core", "endpoints/restricted"),
        EVENTS,
    ),
    "endpointslice-controller": (
        may(READ, "core", "services pods nodes"),
        may("update", "core", "services/finalizers"),
        may(f"{READ} create update delete", "discovery.k8s.io", "endpointslices"),
        EVENTS,
    ),
    "endpointslicemirroring-controller": (
        may(READ, "core", "services endpoints"),
        may("update", "core", "services/finalizers"),
        may("update", "core", "endpoints/finalizers"),
        may(f"{READ} create update delete", "discovery.k8s.io", "endpointslices"),
        EVENTS,
    ),
    "ephemeral-volume-controller": (
        may(READ, "core", "pods"),
        may("update", "core", "pods/finalizers"),
        may(f"{READ} create", "core", "persistentvolumeclaims"),
        EVENTS,
    ),
    "expand-controller": (
        may(f"{READ} update patch", "core", "persistentvolumes"),
        may("patch update", "core", "persistentvolumeclaims/status"),
        may(READ, "core", "persistentvolumeclaims"),
        EVENTS,
    ),
    "generic-garbage-collector": (may(f"{READ} patch update delete", "*", "*"), EVENTS),
    "horizontal-pod-autoscaler": (
        may(READ, "autoscaling", "horizontalpodautoscalers"),
        may("update", "autoscaling", "horizontalpodautoscalers/status"),
        may("get update", "*", "*/scale"),
        may("list watch", "core", "pods"),
        may("list watch", "metrics.k8s.io", "pods"),
        may(READ, "custom.metrics.k8s.io", "*"),
        may(READ, "external.metrics.k8s.io", "*"),
        EVENTS,
    ),
    "job-controller": (
        may(f"{READ} update patch", "batch", "jobs"),
        may("update", "batch", "jobs/status"),
        may("update", "batch", "jobs/finalizers"),
        may("list watch create delete patch", "core", "pods"),
        EVENTS,
    ),
    "legacy-service-account-token-cleaner": (
        may("get", "core", "configmaps", "kube-apiserver-legacy-service-account-token-tracking"),
        may("delete patch", "core", "secrets"),
    ),
    "namespace-controller": (
        may(f"{READ} delete", "core", "namespaces"),
        may("update", "core", "namespaces/finalize namespaces/status"),
        may(f"{READ} delete deletecollection", "*", "*"),
    ),
    "node-controller": (
        may(f"{READ} update delete patch", "core", "nodes"),
        may("patch update", "core", "nodes/status"),
        may("patch update", "core", "pods/status"),
        may(f"{READ} delete", "core", "pods"),
        EVENTS,
    ),
    "persistent-volume-binder": (
        may(f"{READ} update create delete", "core", "persistentvolumes"),
        may("update", "core", "persistentvolumes/status"),
        may(f"{READ} update", "core", "persistentvolumeclaims"),
        may("update", "core", "persistentvolumeclaims/status"),
        may(f"{READ} create delete", "core", "pods"),
        may(READ, "storage.k8s.io", "storageclasses"),
        may("list watch", "core", "nodes"),
        EVENTS,
        may("watch", "core", "events"),
    ),
    "pod-garbage-collector": (
        may("list watch delete", "core", "pods"),
        may(READ, "core", "nodes"),
        may("patch", "core", "pods/status"),
    ),
    "pv-protection-controller": (may(f"{READ} update", "core", "persistentvolumes"), EVENTS),
    "pvc-protection-controller": (
        may(f"{READ} update", "core", "persistentvolumeclaims"),
        may("update", "core", "persistentvolumeclaims/status"),
        may(READ, "core", "pods"),
        EVENTS,
    ),
    "replicaset-controller": (
        may(f"{READ} update", "apps extensions", "replicasets"),
        may("update", "apps extensions", "replicasets/status"),
        may("update", "apps extensions", "replicasets/finalizers"),
        may("list watch create delete patch", "core", "pods"),
        EVENTS,
    ),
    "replication-controller": (
        may(f"{READ} update", "core", "replicationcontrollers"),
        may("update", "core", "replicationcontrollers/status"),
        may("update", "core", "replicationcontrollers/finalizers"),
        may("list watch create delete patch", "core", "pods"),
        EVENTS,
    ),
    "resourcequota-controller": (
        may("list watch", "*", "*"),
        may("update", "core", "resourcequotas/status"),
        EVENTS,
    ),
    "root-ca-cert-publisher": (may("create update", "core", "configmaps"), EVENTS),
    "route-controller": (
        may("list watch", "core", "nodes"),
        may("patch", "core", "nodes/status"),
        EVENTS,
    ),
    "service-account-controller": (may("create", "core", "serviceaccounts"), EVENTS),
    "service-controller": (
        may(READ, "core", "services"),
        may("patch update", "core", "services/status"),
        may("list watch", "core", "nodes"),
        EVENTS,
    ),
    "statefulset-controller": (
        may("list watch", "core", "pods"),
        may(READ, "apps", "statefulsets"),
        may("update", "apps", "statefulsets/status"),
        may("update", "apps", "statefulsets/finalizers"),
        may("get create delete update patch", "core", "pods"),
        may(_CHANGE, "apps", "controllerrevisions"),
        may(f"{READ} create", "core", "persistentvolumeclaims"),
        may("update delete", "core", "persistentvolumeclaims"),
        may("update", "core", "pods/finalizers"),
        EVENTS,
    ),
    "ttl-after-finished-controller": (may(f"{READ} delete", "batch", "jobs"), EVENTS),
    "ttl-controller": (may("update patch list watch", "core", "nodes"), EVENTS),
    "validatingadmissionpolicy-status-controller": (
        may(READ, "admissionregistration.k8s.io", "validatingadmissionpolicies"),
        may(
            "get patch update",
            "admissionregistration.k8s.io",
            "validatingadmissionpolicies/status",
        ),
        EVENTS,
    ),
}


def controller_roles() -> Iterator[Object]:
    """Return the roles as objects."""
    for name, rules in _ROLES.items():
        yield role(f"{_PREFIX}{name}", rules)


def controller_role_bindings() -> Iterator[Object]:
    """Return the bindings to the controllers' accounts."""
    for name in _ROLES:
        yield binding(f"{_PREFIX}{name}", [account(name)])
