"""Who has which names, and what a definition's status says of that (upstream: `controller/status`).

Within a group the first definition to ask for a name has it. One that asks for a taken name keeps
what it had, says so in NamesAccepted, and is tried again when another lets go of names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.apiserver.kinds.customresourcedefinition.spec import approval_of, is_protected
from kubeapi.objects import Object, condition, deep_copy, is_condition_true, set_condition

_ACCEPTED: Final = {
    "type": "NamesAccepted",
    "status": "True",
    "reason": "NoConflicts",
    "message": "no conflicts found",
}
_ESTABLISHED: Final = {
    "type": "Established",
    "status": "True",
    "reason": "InitialNamesAccepted",
    "message": "the initial names have been accepted",
}
_NOT_ESTABLISHED: Final = {
    "type": "Established",
    "status": "False",
    "reason": "NotAccepted",
    "message": "not all names are accepted",
}


@dataclass(frozen=True, slots=True)
class Taken:
    """The names that other definitions of a group have."""

    resources: frozenset[str]
    kinds: frozenset[str]


def accepted_names(crd: Object) -> Object:
    names: Object = (crd.get("status") or {}).get("acceptedNames") or {}
    return names


def taken_by(others: Iterable[Object]) -> Taken:
    """Return the names that *others*, definitions of one group, have."""
    resources, kinds = [], []
    for names in map(accepted_names, others):
        resources += [names.get("plural"), names.get("singular"), *(names.get("shortNames") or ())]
        kinds += [names.get("kind"), names.get("listKind")]
    return Taken(frozenset(filter(None, resources)), frozenset(filter(None, kinds)))


def _judged(crd: Object, taken: Taken) -> tuple[Object, Object]:
    """Return the names that *crd* has from now on, and its condition NamesAccepted."""
    asked, before = crd["spec"]["names"], accepted_names(crd)
    names, verdict = dict(before), dict(_ACCEPTED)
    for key, used in (
        ("plural", taken.resources),
        ("singular", taken.resources),
        ("shortNames", taken.resources),
        ("kind", taken.kinds),
        ("listKind", taken.kinds),
    ):
        wanted, had = asked.get(key), before.get(key)
        wrong = _conflicts(_texts(wanted), _texts(had), used)
        if wrong:
            reason = f"{key[0].upper()}{key[1:]}Conflict"
            verdict |= {"status": "False", "reason": reason, "message": wrong}
        elif wanted:
            names[key] = wanted
        else:
            names.pop(key, None)
    if asked.get("categories"):
        names["categories"] = asked["categories"]
    else:
        names.pop("categories", None)
    return names, verdict


def _texts(value: str | Sequence[str] | None) -> Sequence[str]:
    if isinstance(value, str):
        return (value,)
    return value or ()


def _conflicts(wanted: Sequence[str], had: Sequence[str], used: frozenset[str]) -> str:
    found = [f'"{name}" is already in use' for name in wanted if name in used and name not in had]
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]" if found else ""


def _approval(crd: Object) -> Object | None:
    """Return the condition that definitions in the community's groups have."""
    if not is_protected(crd["spec"]["group"]):
        return None
    text = approval_of(crd)
    approved = bool(text) and not text.startswith("unapproved")
    return {
        "type": "KubernetesAPIApprovalPolicyConformant",
        "status": "True" if approved else "False",
        "reason": "ApprovedAnnotation" if approved else "UnapprovedAnnotation",
        "message": f"approved in {text}" if approved else f'not approved: "{text}"',
    }


def status_of(crd: Object, taken: Taken, now_text: str) -> Object:
    """Return the status that *crd* should have."""
    status = deep_copy(crd.get("status") or {})
    status["acceptedNames"], verdict = _judged(crd, taken)
    conditions = status.setdefault("conditions", [])
    set_condition(conditions, verdict, now_text)
    if verdict["status"] == "True" and not is_condition_true(crd, "Established"):
        set_condition(conditions, dict(_ESTABLISHED), now_text)
    elif condition(crd, "Established") is None:
        set_condition(conditions, dict(_NOT_ESTABLISHED), now_text)
    approval = _approval(crd)
    if approval is not None:
        set_condition(conditions, approval, now_text)
    return status
