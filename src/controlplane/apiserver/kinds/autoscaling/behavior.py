"""How fast an autoscaler may go up and down: defaults and what may be wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from kubeapi import field
from kubeapi.objects import Object
from kubeapi.status import Cause

_WINDOW_MAX_S: Final = 3600
_PERIOD_MAX_S: Final = 1800
_CHOICES: Final = ("Disabled", "Max", "Min")
_KINDS: Final = ("Percent", "Pods")
_DOUBLE: Final = {"type": "Percent", "value": 100, "periodSeconds": 15}
_POLICIES: Final[Mapping[str, tuple[Object, ...]]] = {
    "scaleUp": ({"type": "Pods", "value": 4, "periodSeconds": 15}, _DOUBLE),
    "scaleDown": (_DOUBLE,),
}


def default(behavior: Object) -> None:
    """Let what is not said be what is done without any behavior."""
    for direction, policies in _POLICIES.items():
        rules = behavior[direction] = behavior.get(direction) or {}
        if direction == "scaleUp" and rules.get("stabilizationWindowSeconds") is None:
            rules["stabilizationWindowSeconds"] = 0
        rules["selectPolicy"] = rules.get("selectPolicy") or "Max"
        if rules.get("policies") is None:
            rules["policies"] = [dict(policy) for policy in policies]


def validate(behavior: Object, path: str) -> Iterator[Cause]:
    for direction in _POLICIES:
        yield from _validate_rules(behavior[direction], f"{path}.{direction}")


def _validate_rules(rules: Object, path: str) -> Iterator[Cause]:
    window_s, at = rules.get("stabilizationWindowSeconds"), f"{path}.stabilizationWindowSeconds"
    if window_s is not None and window_s < 0:
        yield field.invalid(at, window_s, "must be greater than or equal to zero")
    if window_s is not None and window_s > _WINDOW_MAX_S:
        yield field.invalid(at, window_s, f"must be less than or equal to {_WINDOW_MAX_S}")
    if rules["selectPolicy"] not in _CHOICES:
        yield field.not_supported(f"{path}.selectPolicy", rules["selectPolicy"], _CHOICES)
    if not rules["policies"]:
        yield field.required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(rules["policies"]):
        yield from _validate_policy(policy, f"{path}.policies[{index}]")


def _validate_policy(policy: Object, path: str) -> Iterator[Cause]:
    kind = policy.get("type") or ""
    if kind not in _KINDS:
        yield field.not_supported(f"{path}.type", kind, _KINDS)
    for key in ("value", "periodSeconds"):
        if (number := policy.get(key) or 0) <= 0:
            yield field.invalid(f"{path}.{key}", number, "must be greater than zero")
    if (period_s := policy.get("periodSeconds") or 0) > _PERIOD_MAX_S:
        detail = f"must be less than or equal to {_PERIOD_MAX_S}"
        yield field.invalid(f"{path}.periodSeconds", period_s, detail)
