"""Label and field selectors (upstream: apimachinery `labels` and `fields`).

The texts are those of `kubectl -l` and `--field-selector`; `LabelSelector.from_object` reads the
`matchLabels`/`matchExpressions` of API objects. An empty selector matches everything; an absent
one (None) matches nothing, as upstream's `LabelSelectorAsSelector` has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from kubeapi import validation
from kubeapi.objects import Object


class SelectorError(ValueError):
    """The text or object is no selector."""


class Operator(Enum):
    """How a requirement compares; the value is the text of matchExpressions."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GREATER = "Gt"
    LESS = "Lt"


_IN: Final = Operator.IN


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        have = labels.get(self.key)
        if self.operator is _IN:  # Nearly all are this, and asked of every pod.
            return have in self.values
        match self.operator:
            case Operator.NOT_IN:
                return have not in self.values
            case Operator.EXISTS:
                return have is not None
            case Operator.DOES_NOT_EXIST:
                return have is None
        return self._compares(have)

    def _compares(self, have: str | None) -> bool:
        try:
            number, bound = int(have or ""), int(self.values[0])
        except ValueError:
            return False
        return number > bound if self.operator is Operator.GREATER else number < bound

    def __str__(self) -> str:
        match self.operator:
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return f"!{self.key}"
            case Operator.GREATER:
                return f"{self.key}>{self.values[0]}"
            case Operator.LESS:
                return f"{self.key}<{self.values[0]}"
        negative = self.operator is Operator.NOT_IN
        if len(self.values) == 1:
            return f"{self.key}{'!=' if negative else '='}{self.values[0]}"
        word = "notin" if negative else "in"
        return f"{self.key} {word} ({','.join(sorted(self.values))})"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """A conjunction of requirements."""

    requirements: tuple[Requirement, ...] = ()
    matches_nothing: bool = False

    @classmethod
    def from_object(cls, selector: Object | None) -> LabelSelector:
        """Read metav1.LabelSelector; raises SelectorError."""
        if selector is None:
            return NOTHING
        requirements = [
            Requirement(key, Operator.IN, (value,))
            for key, value in (selector.get("matchLabels") or {}).items()
        ]
        requirements += [
            requirement_from_object(item) for item in selector.get("matchExpressions") or ()
        ]
        return cls(tuple(requirements))

    @classmethod
    def from_labels(cls, labels: Mapping[str, str] | None) -> LabelSelector:
        """Read a plain map, as Services have it."""
        return cls.from_object(None if labels is None else {"matchLabels": labels})

    @property
    def matches_everything(self) -> bool:
        return not self.requirements and not self.matches_nothing

    def matches(self, labels: Mapping[str, str]) -> bool:
        if self.matches_nothing:
            return False
        for requirement in self.requirements:  # noqa: SIM110 - a generator takes twice the time
            if not requirement.matches(labels):
                return False
        return True

    def __str__(self) -> str:
        return ",".join(map(str, sorted(self.requirements, key=lambda r: r.key)))


EVERYTHING: Final = LabelSelector()
NOTHING: Final = LabelSelector(matches_nothing=True)

_VALUES_WANTED: Final[Mapping[Operator, Callable[[int], bool]]] = {
    Operator.IN: lambda count: count > 0,
    Operator.NOT_IN: lambda count: count > 0,
    Operator.EXISTS: lambda count: count == 0,
    Operator.DOES_NOT_EXIST: lambda count: count == 0,
    Operator.GREATER: lambda count: count == 1,
    Operator.LESS: lambda count: count == 1,
}


def requirement_from_object(item: Object) -> Requirement:
    """Read one of matchExpressions (also of a node selector); raises SelectorError."""
    try:
        operator = Operator(item.get("operator"))
    except ValueError:
        raise SelectorError(
            f'"{item.get("operator")}" is not a valid label selector operator'
        ) from None
    values = tuple(item.get("values") or ())
    if not _VALUES_WANTED[operator](len(values)):
        raise SelectorError(f"operator {operator.value} does not go with {len(values)} values")
    return Requirement(str(item.get("key") or ""), operator, values)


_TERM: Final = re.compile(
    r"""\s*(?:
        !\s*(?P<absent>[^\s=!<>(),]+)
      | (?P<key>[^\s=!<>(),]+)\s*(?:
            (?P<set>\bin\b|\bnotin\b)\s*\((?P<values>[^()]*)\)
          | (?P<op>==|=|!=|>|<)\s*(?P<value>[^\s=!<>(),]*)
        )?
    )\s*""",
    re.VERBOSE,
)
_OPERATORS: Final = {
    "=": Operator.IN,
    "==": Operator.IN,
    "!=": Operator.NOT_IN,
    ">": Operator.GREATER,
    "<": Operator.LESS,
    "in": Operator.IN,
    "notin": Operator.NOT_IN,
}


def parse_label_selector(text: str) -> LabelSelector:
    """Read `a=b,c!=d,e in (x,y),f,!g`; raises SelectorError."""
    if not text.strip():
        return EVERYTHING
    requirements, position = [], 0
    while True:
        match = _TERM.match(text, position)
        if match is None:
            raise SelectorError(f"unable to parse requirement: {text[position:]!r} in {text!r}")
        requirements.append(_checked(_requirement(match)))
        position = match.end()
        if position == len(text):
            return LabelSelector(tuple(requirements))
        if text[position] != ",":
            raise SelectorError(_unexpected(text[position:]))
        position += 1


#: A word, or one sign: what upstream's lexer would return next.
_WORD: Final = re.compile(r"[^\s=!<>(),]+|[=!<>(),]+|$")


def _unexpected(rest: str) -> str:
    """Say what stands where a selector should go on or end, as upstream's parser does."""
    word = re.match(r"(?:in|notin)\b\s*", rest)
    if word is None:
        return f"found '{_first_word(rest)}', expected: ',' or 'end of string'"
    values = rest[word.end() :]
    if not values.startswith("("):
        return f"unable to parse requirement: found '{_first_word(values)}' expected: '('"
    behind = re.sub(r"\(\s*[^\s=!<>(),]*(\s*,\s*[^\s=!<>(),]*)*\s*", "", values, count=1)
    return f"unable to parse requirement: found '{_first_word(behind)}', expected: ',' or ')'"


def _first_word(text: str) -> str:
    found = _WORD.search(text)
    return "" if found is None else found.group()


def _requirement(match: re.Match[str]) -> Requirement:
    if match["absent"]:
        return Requirement(match["absent"], Operator.DOES_NOT_EXIST)
    if match["set"]:
        values = tuple(dict.fromkeys(item.strip() for item in match["values"].split(",")))
        return Requirement(match["key"], _OPERATORS[match["set"]], values)
    if match["op"]:
        return Requirement(match["key"], _OPERATORS[match["op"]], (match["value"],))
    return Requirement(match["key"], Operator.EXISTS)


def _checked(requirement: Requirement) -> Requirement:
    wrong = validation.qualified_name(requirement.key)
    for value in requirement.values:
        wrong += validation.label_value(value)
    if wrong:
        raise SelectorError(f"unable to parse requirement: {requirement.key}: {'; '.join(wrong)}")
    if requirement.operator in (Operator.GREATER, Operator.LESS):
        try:
            int(requirement.values[0])
        except ValueError:
            raise SelectorError("for 'Gt', 'Lt' operators, the value must be an integer") from None
    return requirement


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One condition on one field."""

    field: str
    value: str
    equal: bool = True


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """A conjunction of comparisons; which fields exist, the kind knows."""

    requirements: tuple[FieldRequirement, ...] = ()

    def matches(self, getter: Callable[[str], str]) -> bool:
        """Tell whether the object whose fields *getter* reads is meant."""
        return all((getter(r.field) == r.value) is r.equal for r in self.requirements)

    def exact(self, field: str) -> str | None:
        """Return the value that *field* must equal, if the selector asks for one."""
        for requirement in self.requirements:
            if requirement.field == field and requirement.equal:
                return requirement.value
        return None

    def __str__(self) -> str:
        return ",".join(
            f"{r.field}{'=' if r.equal else '!='}{_escaped(r.value)}" for r in self.requirements
        )


def _escaped(value: str) -> str:
    return re.sub(r"([\\,=])", r"\\\1", value)


_FIELD_TERM: Final = re.compile(r"(?P<field>[^=!,\\]+)(?P<op>==|!=|=)(?P<value>(?:\\.|[^\\,=])*)")


def parse_field_selector(text: str) -> FieldSelector:
    """Read `a=b,c!=d` with `\\,`, `\\=` and `\\\\` escaped in values; raises SelectorError."""
    requirements, position = [], 0
    while position < len(text):
        match = _FIELD_TERM.match(text, position)
        if match is None or text[match.end() : match.end() + 1] not in ("", ","):
            raise SelectorError(f"invalid selector: {text!r}; can't understand {text[position:]!r}")
        value = re.sub(r"\\(.)", r"\1", match["value"])
        requirements.append(FieldRequirement(match["field"], value, match["op"] != "!="))
        position = match.end() + 1
    return FieldSelector(tuple(requirements))
