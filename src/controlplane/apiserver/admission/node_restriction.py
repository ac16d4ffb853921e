"""What a node writes is its own (upstream: plugin/pkg/admission/noderestriction).

Its Node without other labels of Kubernetes than a kubelet's and without new taints, its Lease and
CSINode, the status of pods bound to it, their deletion, eviction and tokens; and of pods only
images of what it runs by itself, which name nothing that it could not read otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from controlplane.apiserver import keys
from controlplane.apiserver.admission.attributes import Attributes, Mutating, Operation
from controlplane.apiserver.authn import User
from controlplane.apiserver.authz.node import node_of
from controlplane.apiserver.authz.references import MIRROR, references
from controlplane.apiserver.authz.rule import quote
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object, annotations_of, deep_copy, labels_of, name_of, uid_of
from kubeapi.resources import NODES, PODS, Resource
from kubeapi.status import StatusError, forbidden, not_found

_LEASES_IN: Final = "kube-node-lease"
_RESTRICTED: Final = "node-restriction.kubernetes.io"
#: Labels of Kubernetes that a node may set (k8s.io/kubelet/pkg/apis/well_known_labels.go) …
_KUBELET_LABELS: Final = frozenset(
    (
        "kubernetes.io/hostname",
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "node.kubernetes.io/windows-build",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
    )
)
#: … and the domains whose labels it may set.
_KUBELET_DOMAINS: Final = ("kubelet.kubernetes.io", "node.kubernetes.io")
#: Of a claim's status a node may write these.
_CLAIM_STATUS: Final = (
    "capacity",
    "conditions",
    "allocatedResourceStatuses",
    "allocatedResources",
)
_MIRRORS_NOTHING: Final = {
    "secrets": "secrets",
    "configmaps": "configmaps",
    "persistentvolumeclaims": "persistentvolumeclaims",
}


class NodeRestriction(Mutating):
    """Holds nodes to what is theirs."""

    name = "NodeRestriction"

    def __init__(self, cacher: Cacher) -> None:
        self._cacher = cacher
        self._rules: Mapping[str, Callable[[str, Attributes], None]] = {
            "pods": self._pod,
            "nodes": _node,
            "persistentvolumeclaims": _claim,
            "serviceaccounts": self._account,
            "leases.coordination.k8s.io": _lease,
            "csinodes.storage.k8s.io": _csi_node,
        }

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        return operation is not Operation.CONNECT and kind.resource.qualified in self._rules

    async def admit(self, attributes: Attributes) -> None:
        """Refuse what is not the node's; before anything else is done."""
        user: User = attributes.options.user
        node = node_of(user)
        if node is None:
            return
        if not node:
            raise refused(attributes, f"could not determine node from user {quote(user.name)}")
        self._rules[attributes.kind.resource.qualified](node, attributes)

    def _find(self, resource: Resource, namespace: str, name: str) -> Object:
        found = self._cacher.cache(resource).get(keys.key(resource, namespace, name))
        if found is None:
            raise not_found(resource, name)
        return found.object

    def _pod(self, node: str, attributes: Attributes) -> None:
        own = quote(node)
        match attributes.subresource, attributes.operation:
            case "", Operation.CREATE:
                self._mirror_pod(node, attributes)
            case "", Operation.DELETE:
                if _node_name(attributes.old) != node:
                    why = f"node {own} can only delete pods with spec.nodeName set to itself"
                    raise refused(attributes, why)
            case "", operation:
                why = f"node {own} can only create and delete mirror pods"
                raise refused(attributes, f"unexpected operation {quote(operation)}, {why}")
            case "status", Operation.UPDATE:
                _pod_status(node, attributes)
            case "eviction", Operation.CREATE:
                found = self._find(PODS, attributes.namespace, attributes.name)
                if _node_name(found) != node:
                    why = f"node {node} can only evict pods with spec.nodeName set to itself"
                    raise refused(attributes, why)
            case (("status" | "eviction"), operation):
                raise refused(attributes, f"unexpected operation {quote(operation)}")
            case subresource, _:
                why = "only 'status' and 'eviction' are allowed"
                raise refused(attributes, f"unexpected pod subresource {quote(subresource)}, {why}")

    def _mirror_pod(self, node: str, attributes: Attributes) -> None:
        pod, own = attributes.obj, quote(node)
        assert pod is not None
        if MIRROR not in annotations_of(pod):
            why = f"pod does not have {quote(MIRROR)} annotation, node {own} can only create mirror"
            raise refused(attributes, f"{why} pods")
        may = f"node {own} can only create pods with"
        if _node_name(pod) != node:
            raise refused(attributes, f"{may} spec.nodeName set to itself")
        owners = pod["metadata"].get("ownerReferences") or []
        if len(owners) > 1:
            raise refused(attributes, f"{may} a single owner reference set to itself")
        if not owners or _owner(owners[0]) != ("v1", "Node", node):
            raise refused(attributes, f"{may} an owner reference set to itself")
        if not owners[0].get("controller"):
            raise refused(attributes, f"{may} a controller owner reference set to itself")
        if owners[0].get("blockOwnerDeletion"):
            why = f"node {own} must not set blockOwnerDeletion on an owner reference"
            raise refused(attributes, why)
        uid, said = uid_of(self._find(NODES, "", node)), owners[0].get("uid")
        if uid != said:
            raise refused(attributes, f"node {node} UID mismatch: expected {said} got {uid}")
        _names_nothing(node, attributes, pod)

    def _account(self, node: str, attributes: Attributes) -> None:
        if attributes.operation is not Operation.CREATE or attributes.subresource != "token":
            return
        request = attributes.obj or {}
        bound = (request.get("spec") or {}).get("boundObjectRef") or {}
        kind = bound.get("apiVersion", "v1"), bound.get("kind")
        if kind != ("v1", "Pod") or not bound.get("name"):
            raise refused(attributes, "node requested token not bound to a pod")
        if not bound.get("uid"):
            raise refused(attributes, "node requested token with a pod binding without a uid")
        pod = self._find(PODS, attributes.namespace, bound["name"])
        if bound["uid"] != uid_of(pod):
            why = (
                f"the UID in the bound object reference ({bound['uid']}) does not match the UID in "
                "record. The object might have been deleted and then recreated"
            )
            raise refused(attributes, why)
        if _node_name(pod) != node:
            why = "node requested token bound to a pod scheduled on a different node"
            raise refused(attributes, why)


def refused(attributes: Attributes, why: str) -> StatusError:
    """Return the refusal of a write."""
    return forbidden(attributes.kind.resource, attributes.name, why)


def _node_name(pod: Object | None) -> str:
    return str(((pod or {}).get("spec") or {}).get("nodeName") or "")


def _owner(reference: Object) -> tuple[object, object, object]:
    return reference.get("apiVersion"), reference.get("kind"), reference.get("name")


def _names_nothing(node: str, attributes: Attributes, pod: Object) -> None:
    """A mirror pod that named objects would let its node read them."""
    may_not = f"node {quote(node)} can not create pods that reference"
    if (pod.get("spec") or {}).get("serviceAccountName"):
        raise refused(attributes, f"{may_not} a service account")
    metadata = {key: value for key, value in pod["metadata"].items() if key != "annotations"}
    named = {plural for plural, _ in references({**pod, "metadata": metadata})}
    for plural, told in _MIRRORS_NOTHING.items():
        if plural in named:
            raise refused(attributes, f"{may_not} {told}")
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "clusterTrustBundle" in source:
                raise refused(attributes, f"{may_not} clustertrustbundles")


def _pod_status(node: str, attributes: Attributes) -> None:
    new, old, own = attributes.obj, attributes.old, quote(node)
    assert new is not None
    assert old is not None
    if _node_name(old) != node:
        why = f"node {own} can only update pod status for pods with spec.nodeName set to itself"
        raise refused(attributes, why)
    if labels_of(new) != labels_of(old):
        raise refused(attributes, f"node {own} cannot update labels through pod status")
    claims = ((each.get("status") or {}).get("resourceClaimStatuses") or [] for each in (new, old))
    if next(claims) != next(claims):
        raise refused(attributes, f"node {own} cannot update resource claim statues")


def _node(node: str, attributes: Attributes) -> None:
    own, obj = quote(node), attributes.obj
    name = attributes.name or name_of(obj or {})
    if name != node:
        raise refused(attributes, f"node {own} is not allowed to modify node {quote(name)}")
    if attributes.operation is Operation.DELETE:
        return
    assert obj is not None
    spec, before = obj.get("spec") or {}, (attributes.old or {}).get("spec") or {}
    config = spec.get("configSource")
    if attributes.operation is Operation.CREATE:
        if config is not None:
            why = f"node {own} is not allowed to create pods with a non-nil configSource"
            raise refused(attributes, why)
        found = forbidden_labels(labels_of(obj), {})
        if found:
            why = f"node {own} is not allowed to set the following labels: {', '.join(found)}"
            raise refused(attributes, why)
        return
    if config is not None and config != before.get("configSource"):
        why = f"node {own} is not allowed to update configSource to a new non-nil configSource"
        raise refused(attributes, why)
    if (spec.get("taints") or []) != (before.get("taints") or []):
        raise refused(attributes, f"node {own} is not allowed to modify taints")
    found = forbidden_labels(labels_of(obj), labels_of(attributes.old or {}))
    if found:
        raise refused(attributes, f"is not allowed to modify labels: {', '.join(found)}")


def forbidden_labels(new: Mapping[str, str], old: Mapping[str, str]) -> list[str]:
    """Return which labels were changed that a node may not change."""
    keys_of_both = sorted({**new, **old})
    return [key for key in keys_of_both if new.get(key) != old.get(key) and _is_forbidden(key)]


def _is_forbidden(label: str) -> bool:
    domain = label.partition("/")[0] if "/" in label else ""
    if _is_within(domain, (_RESTRICTED,)):
        return True
    if not _is_within(domain, ("kubernetes.io", "k8s.io")):
        return False
    return label not in _KUBELET_LABELS and not _is_within(domain, _KUBELET_DOMAINS)


def _is_within(domain: str, domains: Iterable[str]) -> bool:
    return any(domain == each or domain.endswith(f".{each}") for each in domains)


def _claim(node: str, attributes: Attributes) -> None:
    if attributes.subresource != "status":
        raise refused(attributes, "may only update PVC status")
    if attributes.operation is not Operation.UPDATE:
        raise refused(attributes, f"unexpected operation {quote(attributes.operation)}")
    if _rest_of_claim(attributes.obj) != _rest_of_claim(attributes.old):
        why = "is not allowed to update fields other than status.capacity and status.conditions"
        raise refused(attributes, f"node {quote(node)} {why}")


def _rest_of_claim(claim: Object | None) -> Object:
    """Return what of a claim is not a node's to write."""
    rest = deep_copy(claim or {})
    for key in ("resourceVersion", "managedFields"):
        rest.get("metadata", {}).pop(key, None)
    status = rest.pop("status", None) or {}
    return rest | {"status": {k: v for k, v in status.items() if k not in _CLAIM_STATUS}}


def _lease(node: str, attributes: Attributes) -> None:
    if attributes.namespace != _LEASES_IN:
        why = f"can only access leases in the {quote(_LEASES_IN)} system namespace"
        raise refused(attributes, why)
    if (attributes.name or name_of(attributes.obj or {})) != node:
        why = "can only access node lease with the same name as the requesting node"
        raise refused(attributes, why)


def _csi_node(node: str, attributes: Attributes) -> None:
    if (attributes.name or name_of(attributes.obj or {})) != node:
        why = "can only access CSINode with the same name as the requesting node"
        raise refused(attributes, why)
