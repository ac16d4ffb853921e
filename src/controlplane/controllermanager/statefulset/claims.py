"""The claims of a StatefulSet's pods: made before the pod, kept or removed by its policy.

Upstream: persistentVolumeClaimRetentionPolicy in stateful_set_utils.go. Claims are never deleted
here: an owner reference to the set, or to the pod that is scaled away, has the garbage
collector do it when that one is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.statefulset.pods import claim_name, in_range, ordinal_of
from kubeapi.objects import (
    Object,
    deep_copy,
    labels_of,
    metadata_of,
    name_of,
    namespace_of,
    owner_reference,
    uid_of,
)

_RETAIN, _DELETE = "Retain", "Delete"
_POD: Final = {"apiVersion": "v1", "kind": "Pod"}


def claims_of(stateful_set: Object, pod: Object) -> Iterator[Object]:
    """Return the claims that *pod* needs, as they are created."""
    selected = (stateful_set["spec"].get("selector") or {}).get("matchLabels") or {}
    for template in stateful_set["spec"].get("volumeClaimTemplates") or ():
        claim = deep_copy(template)
        claim.pop("status", None)
        metadata = metadata_of(template)
        claim["metadata"] = {
            "name": claim_name(stateful_set, name_of(template), ordinal_of(pod)),
            "namespace": namespace_of(stateful_set),
            "labels": {**labels_of(template), **selected},
        }
        if metadata.get("annotations"):
            claim["metadata"]["annotations"] = dict(metadata["annotations"])
        yield claim


def missing_claims(stateful_set: Object, pod: Object, known: Mapping[str, Object]) -> list[Object]:
    """Return which of the pod's claims are to be made; *known* are the namespace's by name.

    They have the owner from the start that upstream gives them right afterwards.
    """
    found = [claim for claim in claims_of(stateful_set, pod) if name_of(claim) not in known]
    for claim in found:
        if owners := _owners(stateful_set, pod, []):
            claim["metadata"]["ownerReferences"] = owners
    return found


def is_blocked(stateful_set: Object, pod: Object, known: Mapping[str, Object]) -> bool:
    """Tell whether a claim of *pod*, which is to be made, is on its way out.

    It is being deleted, or belongs to an earlier pod of this name and goes with that one.
    """
    for claim in claims_of(stateful_set, pod):
        found = known.get(name_of(claim))
        if found is None:
            continue
        if pod_facts.is_terminating(found) or _is_stale(found, pod):
            return True
    return False


def _is_stale(claim: Object, pod: Object) -> bool:
    return any(
        reference["kind"] == "Pod"
        and reference["name"] == name_of(pod)
        and reference["uid"] != uid_of(pod)
        for reference in metadata_of(claim).get("ownerReferences") or ()
    )


def reowned(stateful_set: Object, pod: Object, known: Mapping[str, Object]) -> list[Object]:
    """Return those of *pod*'s claims whose owners are to be changed, changed."""
    found = []
    for claim in claims_of(stateful_set, pod):
        live = known.get(name_of(claim))
        if live is None:
            continue
        before = metadata_of(live).get("ownerReferences") or []
        after = _owners(stateful_set, pod, before)
        if after != before:
            found.append({**live, "metadata": {**live["metadata"], "ownerReferences": after}})
    return found


def _owners(stateful_set: Object, pod: Object, before: list[Object]) -> list[Object]:
    """Return who should own a claim: the set, the pod that leaves, or neither.

    A claim that somebody else controls is left to him (upstream: hasUnexpectedController).
    """
    ours = (uid_of(stateful_set), uid_of(pod))
    others = [reference for reference in before if reference["uid"] not in ours]
    if any(reference.get("controller") for reference in others):
        return others
    policy = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    leaves = not in_range(stateful_set, pod)
    if policy.get("whenScaled") == _DELETE and leaves and uid_of(pod):
        return _with(before, others, owner_reference({**_POD, **pod}))
    stays = policy.get("whenScaled") != _DELETE or not leaves
    if policy.get("whenDeleted") == _DELETE and stays:
        return _with(before, others, owner_reference(stateful_set))
    return others


def _with(before: list[Object], others: list[Object], owner: Object) -> list[Object]:
    """Return *before* if it is what *others* and *owner* make, so nothing is written anew."""
    wanted = [*others, owner]
    same = len(before) == len(wanted) and all(reference in before for reference in wanted)
    return before if same else wanted
