"""The pods of a DaemonSet: what they are made of, whose node they are for, which came first.

Upstream: pkg/controller/daemon/util. A pod is bound by the scheduler; the DaemonSet names its node
in a required term of node affinity by `metadata.name`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.daemon.placement import tolerations
from controlplane.controllermanager.history.revisions import HASH, hash_of
from controlplane.controllermanager.replicaset.plan import pod_from_template
from kubeapi.objects import Object, annotations_of, labels_of, name_of, owner_reference

#: What is left of a field of extensions/v1beta1: annotation of the set, label of its pods.
_GENERATION: Final = "deprecated.daemonset.template.generation"
_GENERATION_LABEL: Final = "pod-template-generation"
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_FIELD: Final = "metadata.name"


def pod_for(daemon_set: Object, revision_hash: str, node_name: str) -> Object:
    """Return the pod to create for a node."""
    pod = pod_from_template(daemon_set, owner_reference(daemon_set))
    labels = {**labels_of(pod), HASH: revision_hash}
    generation = annotations_of(daemon_set).get(_GENERATION, "")
    if generation.isdecimal():
        labels[_GENERATION_LABEL] = generation
    pod["metadata"]["labels"] = labels
    spec = pod["spec"]
    pod["spec"] = {
        **spec,
        "tolerations": tolerations(spec),
        "affinity": _bound_to(spec.get("affinity") or {}, node_name),
    }
    return pod


def _bound_to(affinity: Object, node_name: str) -> Object:
    """Return *affinity* with terms that name one node; they replace those there were.

    They held when the node was chosen, and are not asked again (upstream:
    ReplaceDaemonSetPodNodeNameNodeAffinity).
    """
    term = {"matchFields": [{"key": _FIELD, "operator": "In", "values": [node_name]}]}
    node = {**(affinity.get("nodeAffinity") or {}), _REQUIRED: {"nodeSelectorTerms": [term]}}
    return {**affinity, "nodeAffinity": node}


def target_node(pod: Object) -> str:
    """Return the node that *pod* runs on or is made for; "" when it names none."""
    if bound := pod_facts.node_name(pod):
        return bound
    affinity = ((pod.get("spec") or {}).get("affinity") or {}).get("nodeAffinity") or {}
    for term in (affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or ():
        for item in term.get("matchFields") or ():
            values: Sequence[str] = item.get("values") or ()
            if item.get("key") == _FIELD and item.get("operator") == "In" and len(values) == 1:
                return str(values[0])
    return ""


def is_updated(pod: Object, daemon_set: Object, revision_hash: str) -> bool:
    """Tell whether *pod* is of the newest template."""
    generation = annotations_of(daemon_set).get(_GENERATION)
    by_generation = generation is not None and labels_of(pod).get(_GENERATION_LABEL) == generation
    return by_generation or bool(revision_hash and hash_of(pod) == revision_hash)


def oldest_first(pods: Sequence[Object]) -> list[Object]:
    """Return *pods*, those that have a node first, then by age."""
    return sorted(
        pods,
        key=lambda pod: (not pod_facts.node_name(pod), pod_facts.created_at(pod), name_of(pod)),
    )
