"""Expressions in webhooks and policies: which variables they have, and whether they compile.

The interpreter is imported when there is something to compile: most clusters have nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.status import Cause

if TYPE_CHECKING:
    from kubeapi.cel import Program

CONDITIONS_MAX: Final = 64
#: What every expression may look at, besides the request and what is around it.
_VARIABLES: Final = ("object", "oldObject")


def compiled(
    text: str, *, params: bool = False, authorizer: bool = True, variables: bool = False
) -> Program:
    """Return the program of an expression; raises kubeapi.cel.CompileError."""
    from kubeapi import cel
    from kubeapi.cel.admission import AUTHORIZER, SURROUNDINGS

    declared = {**dict.fromkeys(_VARIABLES, cel.DYN), **SURROUNDINGS}
    if params:
        declared["params"] = cel.DYN
    if variables:
        declared["variables"] = cel.DYN
    if authorizer:
        declared["authorizer"] = AUTHORIZER
    return cel.compile(text, declared)


def validate_expression(
    text: str,
    path: str,
    returns: Collection[str],
    *,
    params: bool = False,
    authorizer: bool = True,
    variables: bool = False,
) -> Iterator[Cause]:
    """Judge an expression that must have one of the types *returns*."""
    from kubeapi import cel

    try:
        program = compiled(text, params=params, authorizer=authorizer, variables=variables)
    except cel.CompileError as error:
        yield field.invalid(path, text, f"compilation failed: {error}")
        return
    if program.type.name not in (*returns, "dyn"):
        wanted = next(iter(returns)) if len(returns) == 1 else f"[{' '.join(returns)}]"
        yield field.invalid(path, text, f"must evaluate to {wanted}")


def validate_conditions(
    conditions: Sequence[Object], path: str, *, params: bool = False
) -> Iterator[Cause]:
    """Judge matchConditions."""
    if len(conditions) > CONDITIONS_MAX:
        yield field.too_many(path, len(conditions), CONDITIONS_MAX)
    names: set[str] = set()
    for index, condition in enumerate(conditions):
        at, name = f"{path}[{index}]", condition.get("name") or ""
        text = (condition.get("expression") or "").strip()
        if not text:
            yield field.required(f"{at}.expression")
        else:
            yield from validate_expression(text, f"{at}.expression", ("bool",), params=params)
        if not name:
            yield field.required(f"{at}.name")
        else:
            yield from validation.validate_name(name, f"{at}.name", validation.qualified_name)
        if name in names:
            yield field.duplicate(f"{at}.name", name)
        names.add(name)
