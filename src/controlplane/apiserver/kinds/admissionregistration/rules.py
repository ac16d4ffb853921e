"""Which writes a webhook or policy concerns: rules, and defaults of what surrounds them.

Upstream: apis/admissionregistration/validation, validateRuleWithOperations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds.pod.scheduling import validate_label_selector
from kubeapi import field
from kubeapi.objects import Object
from kubeapi.status import Cause

_SCOPES: Final = ("*", "Cluster", "Namespaced")
_OPERATIONS: Final = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
FAILURE_POLICIES: Final = ("Fail", "Ignore")
MATCH_POLICIES: Final = ("Equivalent", "Exact")


def default_matching(hook: Object, rules: str) -> None:
    """Fill in what a webhook or a policy's matchConstraints leave open."""
    hook["matchPolicy"] = hook.get("matchPolicy") or "Equivalent"
    for selector in ("namespaceSelector", "objectSelector"):
        if hook.get(selector) is None:
            hook[selector] = {}
    for rule in hook.get(rules) or ():
        rule["scope"] = rule.get("scope") or "*"


def validate_selectors(hook: Object, path: str) -> Iterator[Cause]:
    """Judge matchPolicy and both selectors."""
    if hook["matchPolicy"] not in MATCH_POLICIES:
        yield field.not_supported(f"{path}.matchPolicy", hook["matchPolicy"], MATCH_POLICIES)
    for selector in ("namespaceSelector", "objectSelector"):
        yield from validate_label_selector(hook[selector], f"{path}.{selector}")


def validate_rule(rule: Object, path: str) -> Iterator[Cause]:
    """Judge one of rules or resourceRules."""
    operations = rule.get("operations") or []
    yield from _listed(operations, f"{path}.operations", "operations")
    for index, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            yield field.not_supported(f"{path}.operations[{index}]", operation, _OPERATIONS)
    yield from _listed(rule.get("apiGroups") or [], f"{path}.apiGroups", "API groups")
    versions = rule.get("apiVersions") or []
    yield from _listed(versions, f"{path}.apiVersions", "API versions")
    for index, version in enumerate(versions):
        if not version:
            yield field.required(f"{path}.apiVersions[{index}]")
    yield from _resources(rule.get("resources") or [], f"{path}.resources")
    if rule["scope"] not in _SCOPES:
        yield field.not_supported(f"{path}.scope", rule["scope"], _SCOPES)


def _listed(items: Sequence[str], path: str, what: str) -> Iterator[Cause]:
    if not items:
        yield field.required(path)
    if len(items) > 1 and "*" in items:
        detail = f"if '*' is present, must not specify other {what}"
        yield field.invalid(path, list(items), detail)


def _resources(resources: Sequence[str], path: str) -> Iterator[Cause]:
    if not resources:
        yield field.required(path)
    everything_of: set[str] = set()  # Resources of which every subresource is meant …
    of_everything: set[str] = set()  # … and subresources of every resource.
    for index, text in enumerate(resources):
        at = f"{path}[{index}]"
        resource, slash, subresource = text.partition("/")
        if not text:
            yield field.required(at)
        if not slash:
            continue
        if resource in everything_of:
            detail = f"if '{resource}/*' is present, must not specify {text}"
            yield field.invalid(at, text, detail)
        if subresource in of_everything:
            detail = f"if '*/{subresource}' is present, must not specify {text}"
            yield field.invalid(at, text, detail)
        everything_of |= {resource} if subresource == "*" else set()
        of_everything |= {subresource} if resource == "*" else set()
    if len(resources) > 1 and "*/*" in resources:
        detail = "if '*/*' is present, must not specify other resources"
        yield field.invalid(path, list(resources), detail)
    if "*" in resources and any(text != "*" and "/" not in text for text in resources):
        detail = "if '*' is present, must not specify other resources without subresources"
        yield field.invalid(path, list(resources), detail)
