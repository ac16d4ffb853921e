"""What strict decoding finds in a body: fields that no type has, and keys that stand twice.

The words and their order are those of upstream's decoders (sigs.k8s.io/json and go-yaml): in JSON
everything as it comes, in YAML first the lines of repeated keys, then unknown fields by name. A
field that is unknown and repeated is told once, as unknown, where types are known; where they are
not, as in patches and custom objects, keys are only looked at for repetition.

Most bodies have nothing of that: whether one may is told by counting, without decoding it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import yaml

from kubeapi.bounded_yaml import BoundedLoader
from kubeapi.objects import Object
from kubeapi.schema.types import Shape, TypeSchema

#: More findings than this are not told (upstream's bound).
FINDINGS_MAX: Final = 100
_KEY: Final = b'":'
_SPACED_KEY: Final = re.compile(rb'"[ \t\r\n]+:')
_ESCAPE: Final = b"\\u"
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found: lines about YAML, and fields."""

    lines: Sequence[str] = ()
    fields: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.lines or self.fields)

    def warnings(self) -> list[str]:
        """Return one text for each finding."""
        return [*self.lines, *self.fields]

    def sentence(self) -> str:
        """Return what a strict decoder says."""
        return f"strict decoding error: {', '.join([*self._yaml(), *self.fields])}"

    def _yaml(self) -> list[str]:
        return [yaml_errors(self.lines)] if self.lines else []

    def then(self, other: Findings) -> Findings:
        """Return these, followed by *other*."""
        return Findings([*self.lines, *other.lines], [*self.fields, *other.fields])


NOTHING: Final = Findings()


def yaml_errors(lines: Sequence[str]) -> str:
    """Return go-yaml's sentence about several lines."""
    return "\n  ".join(("yaml: unmarshal errors:", *lines))


def may_repeat(body: bytes, decoded: object) -> bool:
    """Tell whether the JSON in *body* may have a key twice; False is certain.

    Decoding keeps one of several, so there are fewer keys in what was *decoded*. Where counting
    could err, because of escapes or spaces behind keys, the answer is yes.
    """
    if _ESCAPE in body or _SPACED_KEY.search(body) is not None:
        return True
    return body.count(_KEY) != _encode(decoded).count(_KEY)


class _Pairs(list[tuple[str, object]]):
    """A JSON object with every key that was written."""


def in_json(body: bytes, schema: TypeSchema | None = None) -> Findings:
    """Return what is found in JSON; without *schema*, repeated keys alone."""
    value = json.loads(body, object_pairs_hook=_Pairs)
    return Findings(fields=_bounded(_found(value, schema, "", typed=schema is not None)))


def in_yaml(body: bytes, decoded: Object, schema: TypeSchema | None = None) -> Findings:
    """Return what is found in YAML, which was *decoded*."""
    node = yaml.compose(body, Loader=BoundedLoader)
    lines = list(_repeated(node)) if isinstance(node, yaml.Node) else []
    return Findings(lines[:FINDINGS_MAX], in_object(decoded, schema).fields)


def in_object(decoded: Object, schema: TypeSchema | None) -> Findings:
    """Return which fields of an object are unknown, by name."""
    if schema is None:
        return NOTHING
    return Findings(fields=_bounded(_found(_sorted(decoded), schema, "", typed=True)))


def _bounded(found: Iterator[str]) -> list[str]:
    kept: dict[str, None] = {}
    for each in found:
        kept[each] = None
        if len(kept) == FINDINGS_MAX:
            break
    return list(kept)


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return _Pairs((name, _sorted(value[name])) for name in sorted(value))
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _found(value: object, schema: TypeSchema | None, path: str, *, typed: bool) -> Iterator[str]:
    """Yield the findings in *value*; *schema* is None where anything may stand."""
    if typed and (schema is None or schema.shape in (Shape.ANY, Shape.SCALAR)):
        return  # What Go keeps as it came, or reads by a decoder of its own.
    if isinstance(value, _Pairs):
        yield from _found_in_map(value, schema, path, typed=typed)
    elif isinstance(value, list):
        below = schema.item if schema is not None and schema.shape is Shape.LIST else None
        for index, item in enumerate(value):
            yield from _found(item, below, f"{path}[{index}]", typed=typed)


def _found_in_map(
    value: _Pairs, schema: TypeSchema | None, path: str, *, typed: bool
) -> Iterator[str]:
    seen: set[str] = set()
    fields = schema is not None and schema.shape is Shape.OBJECT
    for name, item in value:
        where = f"{path}.{name}" if path else name
        below = schema
        if schema is not None:
            below = schema.properties.get(name) if fields else schema.item
        if fields and below is None:
            yield f'unknown field "{where}"'
            continue
        if name in seen:
            yield f'duplicate field "{where}"'
        seen.add(name)
        yield from _found(item, below, where, typed=typed)


def _repeated(node: yaml.Node) -> Iterator[str]:
    """Yield go-yaml's lines about keys that are set again, at the line of their value."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[object] = set()
    for key, value in node.value:
        yield from _repeated(value)
        if isinstance(key, yaml.ScalarNode) and key.value in seen:
            name = json.dumps(key.value, ensure_ascii=False)
            yield f"line {value.start_mark.line + 1}: key {name} already set in map"
        if isinstance(key, yaml.ScalarNode):
            seen.add(key.value)
