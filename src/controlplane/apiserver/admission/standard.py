"""Which plugins there are, in upstream's order (kubeapiserver/options/plugins.go).

What upstream's AlwaysPullImages and TaintNodesByCondition do to pods and nodes, the kinds' own rows
do. docs/parity.md tells which are absent.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from componentbase.clock import Clock
from controlplane.apiserver.admission.attributes import Plugin
from controlplane.apiserver.admission.certificates import (
    CertificateApproval,
    CertificateSigning,
    CertificateSubjectRestriction,
)
from controlplane.apiserver.admission.default_ingress_class import DefaultIngressClass
from controlplane.apiserver.admission.default_storage_class import DefaultStorageClass
from controlplane.apiserver.admission.default_toleration_seconds import (
    DefaultTolerationSeconds,
)
from controlplane.apiserver.admission.limit_ranger import LimitRanger
from controlplane.apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from controlplane.apiserver.admission.node_restriction import NodeRestriction
from controlplane.apiserver.admission.persistent_volume_claim_resize import (
    PersistentVolumeClaimResize,
)
from controlplane.apiserver.admission.pod_security.plugin import PodSecurity
from controlplane.apiserver.admission.policy.validating import ValidatingAdmissionPolicy
from controlplane.apiserver.admission.priority import Priority
from controlplane.apiserver.admission.resource_quota import ResourceQuota
from controlplane.apiserver.admission.role_escalation import RoleEscalation
from controlplane.apiserver.admission.runtime_class import RuntimeClass
from controlplane.apiserver.admission.service_account import ServiceAccount
from controlplane.apiserver.admission.storage_object_in_use_protection import (
    StorageObjectInUseProtection,
)
from controlplane.apiserver.admission.webhook.asking import Asking
from controlplane.apiserver.admission.webhook.mutating import MutatingAdmissionWebhook
from controlplane.apiserver.admission.webhook.validating import ValidatingAdmissionWebhook
from controlplane.apiserver.authz.authorizer import Authorizer
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.kind import Kind


def standard_plugins(
    cacher: Cacher,
    authorizer: Authorizer,
    rng: random.Random,
    asking: Asking,
    kinds: Callable[[], Iterable[Kind]],
    *,
    wall: Clock,
    mounts_tokens: bool,
    toleration_s: float,
) -> list[Plugin]:
    """Return the plugins of a server; pods get accounts only where tokens are issued."""
    accounts: list[Plugin] = [ServiceAccount(cacher, rng)] if mounts_tokens else []
    return [
        RoleEscalation(authorizer),
        NamespaceLifecycle(cacher),
        LimitRanger(cacher),
        *accounts,
        NodeRestriction(cacher),
        PodSecurity(cacher),
        Priority(cacher),
        DefaultTolerationSeconds(toleration_s),
        DefaultStorageClass(cacher),
        StorageObjectInUseProtection(),
        PersistentVolumeClaimResize(cacher),
        RuntimeClass(cacher),
        CertificateApproval(authorizer),
        CertificateSigning(authorizer),
        CertificateSubjectRestriction(),
        DefaultIngressClass(cacher),
        MutatingAdmissionWebhook(asking),
        ValidatingAdmissionPolicy(asking, kinds),
        ValidatingAdmissionWebhook(asking),
        ResourceQuota(cacher, wall),
    ]
