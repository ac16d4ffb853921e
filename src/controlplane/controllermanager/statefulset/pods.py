"""The pods of a StatefulSet: names, identity, storage and health.

Upstream: pkg/controller/statefulset/stateful_set_utils.go. A pod is `SET-ORDINAL`; its hostname is
its name and its subdomain the governing Service, so DNS knows it by a name that stays.
"""

from __future__ import annotations

import re
from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.history.revisions import HASH
from controlplane.controllermanager.replicaset.plan import pod_from_template
from kubeapi.objects import Object, labels_of, name_of, namespace_of, owner_reference

_POD_NAME_LABEL: Final = "statefulset.kubernetes.io/pod-name"
_POD_INDEX_LABEL: Final = "apps.kubernetes.io/pod-index"
_NAME: Final = re.compile(r"(.*)-([0-9]+)")
_ORDINAL_DIGITS_MAX: Final = 9


def ordinal_of(pod: Object) -> int:
    """Return the number in *pod*'s name; -1 for one that has none."""
    match = _NAME.fullmatch(name_of(pod))
    return int(match[2]) if match and len(match[2]) <= _ORDINAL_DIGITS_MAX else -1


def is_member(stateful_set: Object, pod: Object) -> bool:
    """Tell whether *pod*'s name is of *stateful_set*'s."""
    match = _NAME.fullmatch(name_of(pod))
    return match is not None and match[1] == name_of(stateful_set)


def start_ordinal(stateful_set: Object) -> int:
    return (stateful_set["spec"].get("ordinals") or {}).get("start") or 0


def wanted(stateful_set: Object) -> int:
    replicas: int | None = stateful_set["spec"].get("replicas")
    return 1 if replicas is None else replicas


def in_range(stateful_set: Object, pod: Object) -> bool:
    """Tell whether *pod* is one of those that are wanted."""
    start = start_ordinal(stateful_set)
    return start <= ordinal_of(pod) < start + wanted(stateful_set)


def new_pod(stateful_set: Object, template: Object, revision: str, ordinal: int) -> Object:
    """Return the pod to create for *ordinal*, by the *template* of a revision."""
    of_then = {**stateful_set, "spec": {**stateful_set["spec"], "template": template}}
    pod = pod_from_template(of_then, owner_reference(stateful_set))
    pod["metadata"]["name"] = f"{name_of(stateful_set)}-{ordinal}"
    pod["metadata"]["namespace"] = namespace_of(stateful_set)
    pod["metadata"]["labels"] = {**labels_of(pod), HASH: revision}
    pod["spec"] = {
        **pod["spec"],
        "hostname": name_of(pod),
        "subdomain": stateful_set["spec"].get("serviceName") or "",
    }
    return with_identity(stateful_set, pod)


def with_identity(stateful_set: Object, pod: Object) -> Object:
    """Return *pod* with the labels and volumes that a member has."""
    labels = {**labels_of(pod), **_identity(pod)}
    return {
        **pod,
        "metadata": {**pod["metadata"], "labels": labels},
        "spec": {**pod["spec"], "volumes": _volumes(stateful_set, pod)},
    }


def _identity(pod: Object) -> dict[str, str]:
    return {_POD_NAME_LABEL: name_of(pod), _POD_INDEX_LABEL: str(ordinal_of(pod))}


def _volumes(stateful_set: Object, pod: Object) -> list[Object]:
    """Return *pod*'s volumes: those of the claims, and what else the template has."""
    templates = stateful_set["spec"].get("volumeClaimTemplates") or ()
    names = {name_of(one): None for one in templates}
    of_claims = [
        {
            "name": name,
            "persistentVolumeClaim": {"claimName": claim_name(stateful_set, name, ordinal_of(pod))},
        }
        for name in names
    ]
    return [*of_claims, *(v for v in pod["spec"].get("volumes") or () if v["name"] not in names)]


def claim_name(stateful_set: Object, template: str, ordinal: int) -> str:
    return f"{template}-{name_of(stateful_set)}-{ordinal}"


def has_identity(stateful_set: Object, pod: Object) -> bool:
    """Tell whether *pod* has the labels and claims of its ordinal."""
    if not _identity(pod).items() <= labels_of(pod).items():
        return False
    claimed = {
        volume["name"]: (volume.get("persistentVolumeClaim") or {}).get("claimName")
        for volume in (pod.get("spec") or {}).get("volumes") or ()
    }
    return all(
        claimed.get(name_of(one)) == claim_name(stateful_set, name_of(one), ordinal_of(pod))
        for one in stateful_set["spec"].get("volumeClaimTemplates") or ()
    )


def revision_of(pod: Object) -> str:
    """Return the name of the ControllerRevision that *pod* is of."""
    return labels_of(pod).get(HASH, "")


def is_created(pod: Object) -> bool:
    return bool((pod.get("status") or {}).get("phase"))


def is_ready(pod: Object) -> bool:
    return pod_facts.phase(pod) == "Running" and pod_facts.is_ready(pod)


def is_available(pod: Object, min_ready_s: int, now: float) -> bool:
    return is_ready(pod) and pod_facts.available_in_s(pod, min_ready_s, now) == 0


def is_unavailable(pod: Object, min_ready_s: int, now: float) -> bool:
    return pod_facts.is_terminating(pod) or not is_available(pod, min_ready_s, now)
