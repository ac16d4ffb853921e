"""Request bodies: octets to objects, and what strict decoding says of them.

JSON, YAML, our own msgpack, and protobuf, which typed clients since client-go 1.32 send. Upstream
decodes into Go structs, which drops nulls and unknown fields; `prune` does the same by schema.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import yaml

from componentbase.decoding import UNREADABLE
from controlplane.apiserver import strict_decoding
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.strict_decoding import NOTHING, Findings, may_repeat
from kubeapi import protobuf
from kubeapi.bounded_yaml import BoundedLoader
from kubeapi.objects import Object
from kubeapi.resources import Resource
from kubeapi.schema import TypeSchema, schema_for, structural, validate
from kubeapi.schema.compiled import is_valid
from kubeapi.schema.prune import prune
from kubeapi.status import Cause, bad_request, invalid, unsupported_media_type

JSON: Final = "application/json"
YAML: Final = "application/yaml"
YAMLS: Final = (YAML, "text/yaml", "application/x-yaml")
MSGPACK: Final = "application/vnd.podwire.msgpack"
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"

#: How deep an object may nest; deeper ones are refused before they can exhaust the stack.
DEPTH_MAX: Final = 100
#: How many values an object may have in all.
VALUES_MAX: Final = 300_000
#: Integers are int64 at most, as Go has them.
_INTEGER_END: Final = 1 << 63

STRICTNESS: Final = ("", "Ignore", "Warn", "Strict")
_WRONG_TYPE: Final = "FieldValueTypeInvalid"


class _Loader(BoundedLoader):
    """YAML as Kubernetes reads it: `1:30` and `2001-01-01` are texts."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":int"))
    ]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*|0x[0-9a-fA-F]+|0o?[0-7]+)$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INTEGER, list("-+0123456789"))


def media_type(content_type: str) -> str:
    """Return the type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def decode_octets(body: bytes, content_type: str) -> dict[str, object] | list[object]:
    """Return what *body* holds; raises StatusError 400 or 415."""
    kind = media_type(content_type) or JSON
    value: object
    try:
        if kind == JSON:
            value = msgspec.json.decode(body)
        elif kind == MSGPACK:
            value = msgspec.msgpack.decode(body)
        elif kind in YAMLS:
            value = yaml.load(body, Loader=_Loader)
        elif kind == PROTOBUF:
            value = protobuf.decode(body)
        else:
            raise unsupported_media_type(
                "the body of the request was in an unknown format - accepted media types include: "
                f"{JSON}, {YAML}, {PROTOBUF}"
            )
    except (*UNREADABLE, yaml.YAMLError, ValueError) as error:
        raise bad_request(f"the object provided is unrecognized: {error}") from None
    if not isinstance(value, dict | list):
        raise bad_request("the object provided is unrecognized: it must be a map")
    check_values(value)
    return value


def check_values(value: object) -> None:
    """Raise StatusError 400 for what JSON could not carry to everybody, or nothing could walk.

    YAML and msgpack have keys that are no texts, octets, dates and numbers without end; JSON has
    integers of any length.
    """
    level: list[object] = [value]
    seen = 0
    for _ in range(DEPTH_MAX):
        children = [child for item in level for child in _children(item)]
        seen += len(children)
        if seen > VALUES_MAX:  # YAML's aliases make much, or no end, of a few octets.
            raise bad_request(f"the object provided has more than {VALUES_MAX} values")
        level = [child for child in children if not _is_scalar(child)]
        if not level:
            return
    raise bad_request(f"the object provided nests deeper than {DEPTH_MAX} levels")


def _children(value: object) -> Collection[object]:
    if not isinstance(value, dict):
        assert isinstance(value, list)
        return value
    if not all(type(key) is str for key in value):
        raise bad_request("the object provided is unrecognized: a key is no text")
    return value.values()


def _is_scalar(value: object) -> bool:
    """Tell scalars from maps and lists; raise StatusError 400 for anything else."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is dict or kind is list:
        return False
    if isinstance(value, int) and -_INTEGER_END <= value < _INTEGER_END:
        return True
    if isinstance(value, float) and math.isfinite(value):
        return True
    raise bad_request(f"the object provided is unrecognized: {str(value)[:50]!r} is no JSON value")


def decode_object(body: bytes, content_type: str) -> Object:
    """Return the object in *body*; raises StatusError."""
    if not body:
        raise bad_request("the request has no body, an object is needed")
    value = decode_octets(body, content_type)
    if not isinstance(value, dict):
        raise bad_request("the object provided is unrecognized: it must be a map")
    return value


@dataclass(frozen=True, slots=True)
class Source:
    """A body as it came."""

    octets: bytes
    content_type: str

    @property
    def form(self) -> str:
        return media_type(self.content_type) or JSON


@dataclass(frozen=True, slots=True)
class Admitted:
    """An object that has the shape of its kind, and what strict decoding finds."""

    obj: Object
    findings: Findings = NOTHING

    @property
    def warnings(self) -> Sequence[str]:
        return self.findings.warnings()


def admit_shape(
    kind: Kind,
    obj: Object,
    strictness: str,
    source: Source | None = None,
    *,
    partial: bool = False,
) -> Admitted:
    """Check *obj* against its kind's schema and drop what the schema does not know.

    *strictness* is fieldValidation, "" where nobody asked for it, and *source* what *obj* was
    decoded from. Raises StatusError 400 as upstream's decoder does, 422 for what is required and
    absent, unless *obj* may be *partial*.
    """
    assert strictness in STRICTNESS
    resource = kind.resource
    about = f'{resource.kind} in version "{resource.version}" cannot be handled as a'
    looks = strictness in ("Warn", "Strict")
    repeats = looks and source is not None and source.form == JSON
    repeats = repeats and source is not None and may_repeat(source.octets, obj)
    check_type(kind, obj)
    _check_metadata(obj, about, resource.kind)
    if kind.is_custom:
        found = _repeated(obj, source, in_json=repeats) if looks else NOTHING
        return _admit_custom(kind, obj, strictness, found, partial=partial)
    schema = kind.schema
    right = is_valid(obj, schema)
    findings = NOTHING
    if looks and (not right or repeats or (source is not None and source.form in YAMLS)):
        findings = _found(obj, source, schema)
        _raise_findings(findings, strictness, f"{about} {resource.kind}")
    pruned = prune(obj, schema)
    assert isinstance(pruned, dict)
    causes = [] if right else validate(pruned, schema)
    if partial:
        causes = [cause for cause in causes if cause.type == _WRONG_TYPE]
    _raise_causes(kind, pruned, causes, f"{about} {resource.kind}")
    return Admitted(pruned, findings)


def admit_body(
    resource: Resource, obj: Object, strictness: str, source: Source | None = None
) -> Admitted:
    """Check a body that is of a kind of its own: of a subresource, or a review.

    What its type does not know is dropped; what is absent is for others to judge. Raises
    StatusError 400.
    """
    schema = schema_for(resource.api_version, resource.kind)
    assert schema is not None
    _check_type(resource, obj)
    about = f'{resource.kind} in version "{resource.version}" cannot be handled as a'
    _check_metadata(obj, about, resource.kind)
    findings = NOTHING if strictness == "Ignore" else _found(obj, source, schema)
    _raise_findings(findings, strictness, f"{about} {resource.kind}")
    pruned = prune(obj, schema)
    assert isinstance(pruned, dict)
    wrong = [cause for cause in validate(pruned, schema) if cause.type == _WRONG_TYPE]
    if wrong:
        raise bad_request(f"{about} {resource.kind}: {'; '.join(map(str, wrong))}")
    return Admitted(pruned, findings)


def read_body(body: bytes, content_type: str, resource: Resource, strictness: str) -> Admitted:
    """Decode and check a body that is a *resource*; raises StatusError."""
    obj = decode_object(body, content_type)
    return admit_body(resource, obj, strictness, Source(body, content_type))


def _found(obj: Object, source: Source | None, schema: TypeSchema) -> Findings:
    if source is not None and source.form == JSON:
        return strict_decoding.in_json(source.octets, schema)
    if source is not None and source.form in YAMLS:
        return strict_decoding.in_yaml(source.octets, obj, schema)
    return strict_decoding.in_object(obj, schema)


def _repeated(obj: Object, source: Source | None, *, in_json: bool) -> Findings:
    """Return which keys stand twice."""
    if source is not None and source.form in YAMLS:
        return strict_decoding.in_yaml(source.octets, obj)
    return strict_decoding.in_json(source.octets) if in_json and source is not None else NOTHING


def _raise_findings(findings: Findings, strictness: str, about: str) -> None:
    if findings and strictness == "Strict":
        raise bad_request(f"{about}: {findings.sentence()}")


def _admit_custom(
    kind: Kind, obj: Object, strictness: str, repeated: Findings, *, partial: bool
) -> Admitted:
    """Do the same for a custom kind, whose objects are judged when they are complete."""
    schema, resource = kind.schema, kind.resource
    about = f'{resource.kind} in version "{resource.version}" cannot be handled as a'
    unknown = structural.prune(obj, schema)
    wrong = validate(obj["metadata"], schema.properties["metadata"])
    _raise_causes(kind, obj, wrong, f"{about} {resource.kind}: metadata")
    findings = NOTHING
    if strictness in ("Warn", "Strict"):
        told = [f'unknown field "{path}"' for path in unknown]
        findings = repeated.then(Findings(fields=told))
        _raise_findings(findings, strictness, f"{about} {resource.kind}")
    if not partial:
        structural.fill(obj, schema)
    return Admitted(obj, findings)


def check_type(kind: Kind, obj: Object) -> None:
    """Fill in apiVersion and kind where absent; raise StatusError 400 where they are others."""
    _check_type(kind.resource, obj)


def _check_type(resource: Resource, obj: Object) -> None:
    api_version = obj.setdefault("apiVersion", resource.api_version)
    name = obj.setdefault("kind", resource.kind)
    if not isinstance(api_version, str) or not isinstance(name, str):
        raise bad_request("apiVersion and kind must be texts")
    if name != resource.kind:
        raise bad_request(
            f'{name} in version "{api_version.rpartition("/")[2]}" cannot be handled as a '
            f"{resource.kind}: the object provided is of another kind"
        )
    if api_version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API "
            f"version ({resource.api_version})"
        )


def _check_metadata(obj: Object, about: str, kind: str) -> None:
    if obj.get("metadata") is None:
        obj["metadata"] = {}
    if not isinstance(obj["metadata"], dict):
        raise bad_request(f"{about} {kind}: metadata must be a map")


def _raise_causes(kind: Kind, obj: Object, causes: Sequence[Cause], about: str) -> None:
    if not causes:
        return
    wrong = [cause for cause in causes if cause.type == _WRONG_TYPE]
    if wrong:
        raise bad_request(f"{about}: {'; '.join(map(str, wrong))}")
    name = obj["metadata"].get("name")
    group = kind.resource.group
    raise invalid(kind.resource.kind, str(name or ""), causes, group=group)
