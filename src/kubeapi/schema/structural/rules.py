"""x-kubernetes-validations: the rules in CEL that a schema brings (upstream: `schema/cel`).

A rule is compiled when an object is first judged by it. One that speaks of `oldSelf` is asked only
where there was a value before, or where it takes an absent one (`optionalOldSelf`); any other is
forgiven what an update leaves as it was. All rules together may cost what `Budget` allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kubeapi import cel, field
from kubeapi.cel.errors import BudgetExceeded, CompileError, EvaluationError
from kubeapi.cel.types import BOOL, DYN, STRING, Type, optional_of
from kubeapi.cel.values import OptionalValue
from kubeapi.schema.structural.rule_types import type_of, value_of
from kubeapi.schema.structural.validation import NOT_THERE, counterpart
from kubeapi.schema.types import TypeSchema
from kubeapi.status import Cause

_OLD_SELF: Final = re.compile(r"\boldSelf\b")
_TEXT: Final = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
_OUT_OF_BUDGET: Final = (
    "validation failed due to running out of cost budget, no further validation rules will be run"
)
_MESSAGE_MAX: Final = 5 << 10
_BLOCKING: Final = (
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
)


class WrongRule(Exception):
    """A rule cannot be compiled, and where that stands in it."""

    def __init__(self, where: str, text: str, why: str) -> None:
        super().__init__(why)
        self.where, self.text = where, text


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One rule, ready to be asked."""

    rule: Mapping[str, Any]
    program: cel.Program
    message: cel.Program | None
    uses_old: bool
    #: The types of what both may look at.
    variables: Mapping[str, Type]

    @property
    def takes_absent(self) -> bool:
        return bool(self.rule.get("optionalOldSelf"))

    @property
    def words(self) -> str:
        """Return how the rule is named in messages."""
        text: str = self.rule.get("message") or self.rule["rule"]
        return text.strip()


def compile_rule(rule: Mapping[str, Any], self_type: Type) -> CompiledRule:
    """Return *rule* compiled for values of *self_type*; raises WrongRule."""
    text: str = rule["rule"]
    uses_old = _OLD_SELF.search(_TEXT.sub("''", text)) is not None
    old_type = optional_of(self_type) if rule.get("optionalOldSelf") else self_type
    variables = {"self": self_type, **({"oldSelf": old_type} if uses_old else {})}
    program = _compiled("rule", text, variables)
    if program.type not in (BOOL, DYN):
        raise WrongRule("rule", text, "must evaluate to a bool")
    expression, message = rule.get("messageExpression") or "", None
    if expression:
        message = _compiled("messageExpression", expression, variables)
        if message.type not in (STRING, DYN):
            raise WrongRule("messageExpression", expression, "must evaluate to a string")
    return CompiledRule(rule, program, message, uses_old, variables)


def _compiled(where: str, text: str, variables: Mapping[str, Type]) -> cel.Program:
    try:
        return cel.compile(text, variables)
    except CompileError as error:
        raise WrongRule(where, text, f"compilation failed: {error}") from None


def blocking(causes: list[Cause]) -> list[Cause]:
    """Return that rules were not looked at, when *causes* are such that they could not be."""
    if not any(cause.type in _BLOCKING for cause in causes):
        return []
    detail = (
        "some validation rules were not checked because the object was invalid; "
        "correct the existing errors to complete validation"
    )
    return [field.invalid("<nil>", None, detail)]


class RuleSet:
    """The rules of a schema and of everything below it."""

    def __init__(self, schema: TypeSchema) -> None:
        self._schema = schema
        self._compiled: dict[int, list[CompiledRule | WrongRule]] = {}  # By the type's id.
        self._ruled: dict[int, bool] = {}
        self._is_empty = not self._has_rules(schema)

    def _has_rules(self, schema: TypeSchema) -> bool:
        """Tell whether there is a rule in *schema* or below it."""
        known = self._ruled.get(id(schema))
        if known is None:
            self._ruled[id(schema)] = False
            below = [*schema.properties.values(), *([schema.item] * (schema.item is not schema))]
            own = schema.rules is not None and bool(schema.rules.validations)
            found = [self._has_rules(each) for each in below]  # Each of them is asked for later.
            known = self._ruled[id(schema)] = own or any(found)
        return known

    def broken(self, obj: Any, old: Any = NOT_THERE) -> list[Cause]:
        """Return which rules *obj* breaks, given what it was before."""
        if self._is_empty:
            return []
        judging = _Judging(self)
        try:
            return list(judging.value(obj, self._schema, "", old))
        except BudgetExceeded:
            return [*judging.found, field.invalid(judging.path, judging.type, _OUT_OF_BUDGET)]

    def ruled(self, schema: TypeSchema) -> bool:
        return self._ruled.get(id(schema), False)

    def of(self, schema: TypeSchema) -> list[CompiledRule | WrongRule]:
        """Return the rules about values of *schema* itself."""
        found = self._compiled.get(id(schema))
        if found is None:
            rules = schema.rules.validations if schema.rules is not None else ()
            self_type = type_of(schema) if rules else DYN
            found = [_tried(rule, self_type) for rule in rules]
            self._compiled[id(schema)] = found
        return found


def _tried(rule: Mapping[str, Any], self_type: Type) -> CompiledRule | WrongRule:
    try:
        return compile_rule(rule, self_type)
    except WrongRule as error:
        return error


class _Judging:
    """One object judged by the rules of its kind."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules, self._budget = rules, cel.Budget()
        self.path, self.type = "", ""
        self.found: list[Cause] = []

    def value(self, value: Any, schema: TypeSchema, path: str, old: Any) -> Iterator[Cause]:
        if value is None or not self._rules.ruled(schema):
            return
        self.path, self.type = path or "<nil>", schema.type_name
        for rule in self._rules.of(schema):
            for cause in self._asked(rule, (value, old), schema, path):
                self.found.append(cause)
                yield cause
        if type(value) is list and schema.item is not schema:
            for index, item in enumerate(value):
                before = counterpart(item, schema, old)
                yield from self.value(item, schema.item, f"{path}[{index}]", before)
        elif type(value) is dict:
            yield from self._below(value, schema, path, old)

    def _below(
        self, value: dict[str, Any], schema: TypeSchema, path: str, old: Any
    ) -> Iterator[Cause]:
        start = f"{path}." if path else ""
        before = old if type(old) is dict and schema.map_type != "atomic" else {}
        item = schema.item if schema.item is not schema else None
        for name, child in value.items():
            was = before.get(name, NOT_THERE)
            below = schema.properties.get(name)
            if below is not None:
                yield from self.value(child, below, start + name, was)
            elif item is not None:
                yield from self.value(child, item, f"{path}[{name}]", was)

    def _asked(
        self, rule: CompiledRule | WrongRule, values: tuple[Any, Any], schema: TypeSchema, path: str
    ) -> Iterator[Cause]:
        if isinstance(rule, WrongRule):
            yield field.invalid(path or "<nil>", schema.type_name, f"rule compile error: {rule}")
            return
        value, old = values
        old = NOT_THERE if old is None else old
        if rule.uses_old and old is NOT_THERE and not rule.takes_absent:
            return
        try:
            variables = _variables(rule, value, old, schema)
            if rule.program.evaluate(variables, self._budget) is True:
                return
            if not rule.uses_old and old is not NOT_THERE and old == value:
                return  # It was so before (CRDValidationRatcheting).
            yield self._failed(rule, variables, schema, path)
        except EvaluationError as error:
            detail = f"{error} evaluating rule: {rule.words}"
            if str(error).startswith("no such overload"):
                detail = (
                    f"'{error}': call arguments did not match a supported operator, function or "
                    f"macro signature for rule: {rule.words}"
                )
            yield field.invalid(path or "<nil>", schema.type_name, detail)

    def _failed(
        self, rule: CompiledRule, variables: Mapping[str, Any], schema: TypeSchema, path: str
    ) -> Cause:
        said = rule.rule.get("message") or ""
        detail = said.strip() if said else f"failed rule: {rule.words}"
        if rule.message is not None:
            detail = self._own_message(rule.message, variables) or detail
        where = path + (rule.rule.get("fieldPath") or "").strip()
        where = where.removeprefix(".") or "<nil>"
        match rule.rule.get("reason"):
            case "FieldValueForbidden":
                return field.forbidden(where, detail)
            case "FieldValueRequired":
                return field.required(where, detail)
            case "FieldValueDuplicate":
                return field.duplicate(where, schema.type_name)
        return field.invalid(where, schema.type_name, detail)

    def _own_message(self, program: cel.Program, variables: Mapping[str, Any]) -> str:
        """Return what messageExpression says; nothing when that is no message."""
        try:
            text = program.evaluate(variables, self._budget)
        except EvaluationError:
            return ""
        fits = isinstance(text, str) and len(text) <= _MESSAGE_MAX and "\n" not in text.strip()
        return text.strip() if fits else ""


def _variables(rule: CompiledRule, value: Any, old: Any, schema: TypeSchema) -> dict[str, Any]:
    variables = {"self": value_of(value, schema)}
    if rule.uses_old:
        before = None if old is NOT_THERE else value_of(old, schema)
        if rule.takes_absent:
            before = OptionalValue(old is not NOT_THERE, before)
        variables["oldSelf"] = before
    return variables
