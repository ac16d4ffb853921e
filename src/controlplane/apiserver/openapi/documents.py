"""OpenAPI v3: the index, and one document per group and version (upstream: kube-openapi handler3).

A document's hash is that of its octets, as upstream, so it changes when the document does and is
the same on every server. To know the hashes all documents are made once; what is kept are hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.openapi import operations as op
from controlplane.apiserver.openapi.paths import paths_of
from kubeapi.objects import Object
from kubeapi.schema.openapi import META, Components

RELEASE: Final = "v1.32.0"
_VERSION_INFO: Final[Object] = {
    "description": "Info contains versioning information. how we'll want to distribute it.",
    "type": "object",
    "required": [
        "major",
        "minor",
        "gitVersion",
        "gitCommit",
        "gitTreeState",
        "buildDate",
        "goVersion",
        "compiler",
        "platform",
    ],
}
_TEXT: Final[Object] = {"type": "string"}
_SECURITY: Final[Object] = {
    "BearerToken": {
        "type": "apiKey",
        "in": "header",
        "name": "authorization",
        "description": "Bearer Token authentication",
    }
}
Groups = Mapping[str, Mapping[str, Sequence[Kind]]]


def digest(octets: bytes) -> str:
    """Return upstream's hash of a document."""
    return hashlib.sha512(octets).hexdigest().upper()


class Documents:
    """The documents of *groups*: group → version → kinds."""

    def __init__(self, groups: Groups, before: Documents | None = None) -> None:
        self._groups = groups
        self._makers = dict(_makers(groups))
        self._hashes: dict[str, str] = {}
        if before is not None:  # What is as it was need not be made again to know its hash.
            kept = [name for name in self._makers if before.kinds(name) == self.kinds(name)]
            self._hashes = {n: before.hashes()[n] for n in kept if n in before.hashes()}

    def names(self) -> Sequence[str]:
        """Return which documents there are: `api/v1`, `apis/apps/v1`, …"""
        return sorted(self._makers)

    def kinds(self, name: str) -> Sequence[int]:
        """Return who the kinds of a document are."""
        root, _, version = name.rpartition("/")
        group = "" if root == "api" else root.partition("/")[2]
        return [id(kind) for kind in self._groups.get(group, {}).get(version, ())]

    def hashes(self) -> Mapping[str, str]:
        """Return the hashes that are known."""
        return self._hashes

    def octets(self, name: str) -> bytes | None:
        """Return a document as JSON, and learn its hash; None when there is none of this name."""
        make = self._makers.get(name)
        if make is None:
            return None
        made = msgspec.json.encode(make(Components()))
        self._hashes[name] = digest(made)
        return made

    def each(self) -> Iterator[Object]:
        """Yield the documents one after the other."""
        components = Components()
        for name in self.names():
            yield self._makers[name](components)

    def index(self) -> Object:
        """Return where each document is, by its hash."""
        components = Components()
        for name in self.names():
            if name not in self._hashes:
                self._hashes[name] = digest(msgspec.json.encode(self._makers[name](components)))
        return {
            "paths": {name: {"serverRelativeURL": self.location(name)} for name in self.names()}
        }

    def location(self, name: str) -> str:
        """Return the URL of a document whose hash is known."""
        return f"/openapi/v3/{name}?hash={self._hashes[name]}"


def _makers(groups: Groups) -> Iterable[tuple[str, Callable[[Components], Object]]]:
    yield "version", _version
    yield "api", lambda components: _discovery(components, "/api/", "APIVersions", "core")
    yield "apis", lambda components: _discovery(components, "/apis/", "APIGroupList", "apis")
    for group, versions in groups.items():
        root = f"apis/{group}" if group else "api"
        if group:
            yield root, _group(group)
        for version, kinds in versions.items():
            yield f"{root}/{version}", _of_kinds(op.Place(group, version), root, kinds)


def _group(group: str) -> Callable[[Components], Object]:
    place = op.Place(group, "")
    return lambda components: _discovery(components, f"/apis/{group}/", "APIGroup", place.tag)


def _of_kinds(place: op.Place, root: str, kinds: Sequence[Kind]) -> Callable[[Components], Object]:
    def make(components: Components) -> Object:
        resources = f"/{root}/{place.version}/"
        paths = _resources(resources, place)
        roots = [op.DELETE_OPTIONS, op.STATUS, op.PATCH, op.WATCH_EVENT, f"{META}.APIResourceList"]
        made: Object = {}
        for kind in kinds:
            paths |= paths_of(kind)
            if kind.custom_document is not None:
                made |= components.custom(kind.resource, kind.custom_document())
        roots += [name for name in _referred(paths) if name not in made]
        if made:
            roots += [f"{META}.ObjectMeta", f"{META}.ListMeta"]
        return _document(dict(sorted(paths.items())), {**components.of(roots), **made})

    return make


def _referred(value: object) -> Iterable[str]:
    """Yield the components that *value* refers to."""
    if isinstance(value, dict):
        if isinstance(target := value.get("$ref"), str):
            yield target.rpartition("/")[2]
        for item in value.values():
            yield from _referred(item)
    elif isinstance(value, list):
        for item in value:
            yield from _referred(item)


def _document(paths: Object, schemas: Object) -> Object:
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": RELEASE},
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": _SECURITY},
    }


def _resources(path: str, place: op.Place) -> Object:
    return {
        path: {
            "get": {
                "tags": [place.tag],
                "description": "get available resources",
                "operationId": place.operation_id("get", "APIResources"),
                "responses": op.answered([200], f"{META}.APIResourceList"),
            }
        }
    }


def _discovery(components: Components, path: str, kind: str, tag: str) -> Object:
    """Return the document of a path that says what groups or versions there are."""
    what = {"APIVersions": "available API versions", "APIGroupList": "available API versions"}
    operation = {
        "tags": [tag],
        "description": f"get {what.get(kind, 'information of a group')}",
        "operationId": f"get{tag[:1].upper()}{tag[1:]}{kind}",
        "responses": op.answered([200], f"{META}.{kind}"),
    }
    schemas = components.of([f"{META}.{kind}", op.STATUS])
    return _document({path: {"get": operation}}, schemas)


def _version(components: Components) -> Object:
    fields = {name: _TEXT for name in _VERSION_INFO["required"]}
    name = "io.k8s.apimachinery.pkg.version.Info"
    operation = {
        "tags": ["version"],
        "description": "get the version information for this server",
        "operationId": "getCodeVersion",
        "responses": op.answered([200], name),
    }
    schemas = {**components.of([op.STATUS]), name: {**_VERSION_INFO, "properties": fields}}
    return _document({"/version/": {"get": operation}}, schemas)
