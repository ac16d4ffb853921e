"""Check a policy's expressions against the kinds that it matches (upstream: typechecking.go).

A policy may match any kind, so its expressions are compiled over objects of any type; what a kind
in fact has not is found here, as warnings. A rule with a wildcard among its groups or versions is
left out, and so are wildcards and subresources among its resources. The policy acts the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kubeapi.cel import CompileError, compile
from kubeapi.cel.admission import AUTHORIZER, SURROUNDINGS
from kubeapi.cel.types import DYN, Type
from kubeapi.objects import Object

#: Against how many kinds one rule's expressions are checked.
KINDS_MAX: Final = 10


@dataclass(frozen=True, slots=True, order=True)
class GroupVersionKind:
    """A kind, which sorts as upstream sorts them."""

    group: str
    version: str
    kind: str

    def __str__(self) -> str:
        return f"{self.group}/{self.version}, Kind={self.kind}"


#: Which kinds there are of a group, a version and a plural name.
KindsFor = Callable[[str, str, str], Sequence[GroupVersionKind]]


def kinds_to_check(policy: Object, kinds_for: KindsFor) -> list[GroupVersionKind]:
    """Return the kinds that a policy names, in order."""
    found: dict[GroupVersionKind, None] = {}
    matching = (policy.get("spec") or {}).get("matchConstraints") or {}
    for rule in matching.get("resourceRules") or ():
        named = itertools.chain.from_iterable(kinds_for(*asked) for asked in _resources(rule))
        kinds = list(itertools.islice(named, KINDS_MAX))
        found |= dict.fromkeys(kinds)
        if len(kinds) == KINDS_MAX:
            break
    return sorted(found)


def _resources(rule: Object) -> Iterator[tuple[str, str, str]]:
    groups, versions = rule.get("apiGroups") or [], rule.get("apiVersions") or []
    if any("*" in name for name in (*groups, *versions)):
        return
    plurals = [each for each in rule.get("resources") or () if not {"*", "/"} & set(each)]
    yield from itertools.product(sorted(groups), sorted(versions), sorted(plurals))


def warnings_of(
    policy: Object, kinds: Sequence[tuple[GroupVersionKind, Type]], params: Type | None
) -> list[Object]:
    """Return the warnings of a policy whose expressions see each of *kinds* in turn."""
    spec = policy.get("spec") or {}
    scopes = [(kind, _variables(spec, type_, params)) for kind, type_ in kinds]
    warnings: list[Object] = []
    for index, validation in enumerate(spec.get("validations") or ()):
        for name in ("expression", "messageExpression"):
            text = validation.get(name) or ""
            said = [
                f"{kind}: {wrong}\n" for kind, scope in scopes if (wrong := _wrong(text, scope))
            ]
            if text and said:
                where = f"spec.validations[{index}].{name}"
                warnings.append({"fieldRef": where, "warning": "\n".join(said)})
    return warnings


def _variables(spec: Object, object_type: Type, params: Type | None) -> Mapping[str, Type]:
    """Return the types of all variables; a composed one that is wrong is of any type."""
    declared: dict[str, Type] = {
        **SURROUNDINGS,
        "object": object_type,
        "oldObject": object_type,
        "authorizer": AUTHORIZER,
    }
    if params is not None:
        declared["params"] = params
    composed: dict[str, Type] = {}
    for variable in spec.get("variables") or ():
        scope = {**declared, "variables": Type("kubernetes.variables", fields=dict(composed))}
        try:
            found = compile(variable.get("expression") or "", scope).type
        except CompileError:
            found = DYN
        composed[variable.get("name") or ""] = DYN if found.fields is not None else found
    return {**declared, "variables": Type("kubernetes.variables", fields=composed)}


def _wrong(text: str, scope: Mapping[str, Type]) -> str:
    try:
        compile(text, scope)
    except CompileError as error:
        return str(error)
    return ""
