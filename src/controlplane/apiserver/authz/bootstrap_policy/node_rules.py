"""What every node may do, whichever objects it is about (upstream: bootstrappolicy.NodeRules)."""

from __future__ import annotations

from typing import Final

from controlplane.apiserver.authz.bootstrap_policy.notation import READ, may
from controlplane.apiserver.authz.rule import Rule

NODE_RULES: Final[tuple[Rule, ...]] = (
    may("create", "authentication.k8s.io", "tokenreviews"),
    may("create", "authorization.k8s.io", "subjectaccessreviews localsubjectaccessreviews"),
    may(READ, "core", "services"),
    may(f"create {READ}", "core", "nodes"),
    may("update patch", "core", "nodes/status"),
    may("update patch", "core", "nodes"),
    may("create update patch", "core", "events"),
    may(READ, "core", "pods"),
    may("create delete", "core", "pods"),
    may("update patch", "core", "pods/status"),
    may("create", "core", "pods/eviction"),
    may(READ, "core", "secrets configmaps"),
    may("get", "core", "persistentvolumeclaims persistentvolumes"),
    may("get", "core", "endpoints"),
    may(f"create {READ}", "certificates.k8s.io", "certificatesigningrequests"),
    may("get create update patch delete", "coordination.k8s.io", "leases"),
    may("get", "storage.k8s.io", "volumeattachments"),
    may("create", "core", "serviceaccounts/token"),
    may("get update patch", "core", "persistentvolumeclaims/status"),
    may(READ, "storage.k8s.io", "csidrivers"),
    may("get create update patch delete", "storage.k8s.io", "csinodes"),
    may(READ, "node.k8s.io", "runtimeclasses"),
)
