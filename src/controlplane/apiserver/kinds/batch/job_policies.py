"""When a Job fails early or succeeds early: podFailurePolicy and successPolicy."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from controlplane.apiserver.kinds import workload
from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.status import Cause

_RULES_MAX: Final = 20
_VALUES_MAX: Final = 255
_PATTERNS_MAX: Final = 20
_INDEXES_OCTETS_MAX: Final = 64 * 1024
_FAIL_INDEX: Final = "FailIndex"
_ACTIONS: Final = ("Count", _FAIL_INDEX, "FailJob", "Ignore")
_OPERATORS: Final = ("In", "NotIn")
_STATUSES: Final = ("False", "True", "Unknown")
_BOTH: Final = "specifying both OnExitCodes and OnPodConditions is not supported"
_NEITHER: Final = "specifying one of OnExitCodes and OnPodConditions is required"
_STRANGER: Final = "must be one of the container or initContainer names in the pod template"


def _offered(values: Collection[str]) -> str:
    """Return what a required field may be, as Go's %q writes a list."""
    quoted = " ".join(f'"{value}"' for value in values)
    return f"valid values: [{quoted}]"


def default_failure_policy(policy: Object) -> None:
    """A condition of a pod means that it holds."""
    for rule in policy.get("rules") or []:
        for pattern in rule.get("onPodConditions") or []:
            pattern["status"] = pattern.get("status") or "True"


def validate_failure_policy(spec: Object, path: str) -> Iterator[Cause]:
    rules = spec["podFailurePolicy"].get("rules") or []
    if len(rules) > _RULES_MAX:
        yield field.too_many(f"{path}.rules", len(rules), _RULES_MAX)
    pod = spec["template"]["spec"]
    names = [
        container.get("name")
        for key in ("containers", "initContainers")
        for container in pod.get(key) or []
    ]
    for index, rule in enumerate(rules):
        at = f"{path}.rules[{index}]"
        yield from _validate_action(spec, rule.get("action") or "", f"{at}.action")
        codes, patterns = rule.get("onExitCodes"), rule.get("onPodConditions") or []
        if codes is not None:
            yield from _validate_codes(codes, names, f"{at}.onExitCodes")
        yield from _validate_patterns(patterns, f"{at}.onPodConditions")
        if (codes is not None) == bool(patterns):
            yield Cause(
                "FieldValueInvalid", f"Invalid value: {_BOTH if patterns else _NEITHER}", at
            )


def _validate_action(spec: Object, action: str, path: str) -> Iterator[Cause]:
    if not action:
        yield field.required(path, _offered(_ACTIONS))
    elif action not in _ACTIONS:
        yield field.not_supported(path, action, _ACTIONS)
    elif action == _FAIL_INDEX and spec.get("backoffLimitPerIndex") is None:
        yield field.invalid(path, action, "requires the backoffLimitPerIndex to be set")


def _validate_codes(codes: Object, names: Collection[str], path: str) -> Iterator[Cause]:
    operator, values = codes.get("operator") or "", codes.get("values") or []
    if not operator:
        yield field.required(f"{path}.operator", _offered(_OPERATORS))
    elif operator not in _OPERATORS:
        yield field.not_supported(f"{path}.operator", operator, _OPERATORS)
    container = codes.get("containerName")
    if container is not None and container not in names:
        yield field.invalid(f"{path}.containerName", container, _STRANGER)
    if not values:
        yield field.invalid(f"{path}.values", values, "at least one value is required")
    elif len(values) > _VALUES_MAX:
        yield field.too_many(f"{path}.values", len(values), _VALUES_MAX)
    for index, value in enumerate(values):
        at = f"{path}.values[{index}]"
        if operator == "In" and value == 0:
            yield field.invalid(at, value, "must not be 0 for the In operator")
        if value in values[:index]:
            yield field.duplicate(at, value)
    if values != sorted(values):
        yield field.invalid(f"{path}.values", values, "must be ordered")


def _validate_patterns(patterns: list[Object], path: str) -> Iterator[Cause]:
    if len(patterns) > _PATTERNS_MAX:
        yield field.too_many(path, len(patterns), _PATTERNS_MAX)
    for index, pattern in enumerate(patterns):
        at, status = f"{path}[{index}]", pattern.get("status") or ""
        kind = pattern.get("type") or ""
        yield from validation.validate_name(kind, f"{at}.type", validation.qualified_name)
        if not status:
            yield field.required(f"{at}.status", _offered(_STATUSES))
        elif status not in _STATUSES:
            yield field.not_supported(f"{at}.status", status, _STATUSES)


def validate_success_policy(spec: Object, path: str) -> Iterator[Cause]:
    policy = spec["successPolicy"]
    if spec.get("completionMode") != "Indexed":
        yield field.invalid(path, policy, "requires indexed completion mode")
        return
    rules, at = policy.get("rules") or [], f"{path}.rules"
    if not rules:
        detail = "at least one rules must be specified when the successPolicy is specified"
        yield field.required(at, detail)
    if len(rules) > _RULES_MAX:
        yield field.too_many(at, len(rules), _RULES_MAX)
    for index, rule in enumerate(rules):
        yield from _validate_success_rule(rule, spec.get("completions") or 0, f"{at}[{index}]")


def _validate_success_rule(rule: Object, completions: int, path: str) -> Iterator[Cause]:
    wanted, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    if wanted is None and indexes is None:
        detail = "at least one of succeededCount or succeededIndexes must be specified"
        yield field.required(path, detail)
    total = 0
    if indexes is not None:
        at = f"{path}.succeededIndexes"
        if len(indexes) > _INDEXES_OCTETS_MAX:
            yield field.too_long(at, _INDEXES_OCTETS_MAX)
        try:
            total = count_indexes(indexes, completions)
        except ValueError as error:
            yield field.invalid(at, indexes, f"error parsing succeededIndexes: {error}")
    if wanted is None:
        return
    at = f"{path}.succeededCount"
    yield from workload.validate_count(rule, "succeededCount", path)
    if wanted > completions:
        detail = f"must be less than or equal to {completions}"
        yield field.invalid(at, wanted, f"{detail} (the number of specified completions)")
    if indexes is not None and wanted > total:
        detail = f"must be less than or equal to {total}"
        what = "(the number of indexes in the specified succeededIndexes field)"
        yield field.invalid(at, wanted, f"{detail} {what}")


def count_indexes(text: str, completions: int) -> int:
    """Return how many indexes `1,3-5` are; raises ValueError that says what is wrong."""
    total, before = 0, -1
    for interval in text.split(",") if text else ():
        parts = [_index(part) for part in interval.split("-")]
        if len(parts) > 2:
            raise ValueError(
                f'the fragment "{interval}" violates the requirement that an index interval can '
                "have at most two parts separated by '-'"
            )
        first, last = parts[0], parts[-1]
        for number in parts:
            if number >= completions:
                raise ValueError(f'too large index: "{number}"')
        if first <= before:
            raise ValueError(f"non-increasing order, previous: {before}, current: {first}")
        if len(parts) > 1 and last <= first:
            raise ValueError(f"non-increasing order, previous: {first}, current: {last}")
        total, before = total + last - first + 1, last
    return total


def _index(text: str) -> int:
    if not re.fullmatch(r"[0-9]+", text):
        raise ValueError(f'cannot convert string to integer for index: "{text}"')
    return int(text)
