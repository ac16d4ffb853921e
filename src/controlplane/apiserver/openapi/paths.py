"""The paths of one kind and what may be done there (upstream: endpoints/installer.go).

What all operations of a path take, its path says once. Watches by path (`/watch/…`) are deprecated
and still served, those of custom kinds are not, as upstream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from controlplane.apiserver.discovery import verbs_of
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.openapi import operations as op
from controlplane.apiserver.openapi import parameters
from controlplane.apiserver.subresources import Subresource, subresources_of
from kubeapi.objects import Object
from kubeapi.schema.openapi import component_of
from kubeapi.schema.types import definition_name

_NAMESPACE: Final = "object name and auth scope, such as for teams and projects"
_METHODS: Final = ("get", "post", "put", "patch", "delete", "options", "head")
#: Methods of connections, by the verb that authorizes them.
_CONNECT_METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    "create": ("post",),
    "delete": ("delete",),
    "get": ("get", "head", "options"),
    "patch": ("patch",),
    "update": ("put",),
}
_TEXT: Final[Object] = {"type": "string"}


def paths_of(kind: Kind) -> Object:
    """Return the paths of *kind* and of its subresources."""
    made = _Paths(kind)
    made.write()
    return {path: _hoisted(item) for path, item in made.found.items()}


def _hoisted(item: Object) -> Object:
    """Say once what all operations of a path take."""
    every = [item[method] for method in _METHODS if method in item]
    first, *others = [each.get("parameters", []) for each in every]
    shared = [one for one in first if all(one in other for other in others)]
    for each in every:
        own = [one for one in each.pop("parameters", []) if one not in shared]
        if own:
            each["parameters"] = own
    shared = sorted([*item.pop("parameters", []), *shared], key=lambda one: str(one["name"]))
    return {**item, "parameters": shared} if shared else item


class _Paths:
    """Writes the paths of one kind."""

    def __init__(self, kind: Kind) -> None:
        resource = kind.resource
        self._kind, self._resource, self._verbs = kind, resource, frozenset(verbs_of(kind))
        self._place = op.Place(resource.group, resource.version)
        self._component = component_of(resource)
        self._scope = "Namespaced" if resource.namespaced else ""
        root = f"/apis/{resource.group}" if resource.group else "/api"
        self._root = f"{root}/{resource.version}"
        inside = "/namespaces/{namespace}" if resource.namespaced else ""
        self._collection = f"{inside}/{resource.plural}"
        self._bodies = op.CUSTOM_BODIES if kind.is_custom else op.ANY
        self._patches = op.CUSTOM_PATCHES if kind.is_custom else op.PATCHES
        self.found: Object = {}

    def write(self) -> None:
        name, scope = self._resource.kind, self._scope
        verbs = self._verbs
        self._open(self._collection)
        if "list" in verbs:
            self._add("get", self._list(f"{scope}{name}"))
        if "create" in verbs:
            self._add("post", self._create(f"{scope}{name}"))
        if "deletecollection" in verbs:
            self._add("delete", self._delete_collection(f"Collection{scope}{name}"))
        if "get" in verbs:
            self._write_item(f"{self._collection}/{{name}}", f"{scope}{name}")
        for below in subresources_of(self._kind):
            self._write_subresource(below)
        if self._resource.namespaced and "list" in verbs:
            self._open(f"/{self._resource.plural}")
            self._add("get", self._list(f"{name}ForAllNamespaces"))
        if "watch" in verbs and not self._kind.is_custom:
            self._write_watches()

    # --- pieces --------------------------------------------------------------------------------

    def _open(self, path: str, name: str = "") -> None:
        """Begin a path, with the parameters that stand in it."""
        given = []
        if "{name}" in path:
            given.append(parameters.in_path("name", f"name of the {name or self._resource.kind}"))
        if "{namespace}" in path:
            given.append(parameters.in_path("namespace", _NAMESPACE))
        if "{path}" in path:
            given.append(parameters.in_path("path", "path to the resource"))
        self._item: Object = {"parameters": given} if given else {}
        self.found[self._root + path] = self._item

    def _add(self, method: str, operation: Object) -> None:
        self._item[method] = operation

    def _operation(
        self, verb: str, rest: str, action: str, said: str, *, query: Sequence[str]
    ) -> Object:
        resource = self._resource
        gvk = op.group_version_kind(resource.group, resource.version, resource.kind)
        return {
            "tags": [self._place.tag],
            "description": said,
            "operationId": self._place.operation_id(verb, rest),
            "parameters": parameters.in_query(query),
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk,
        }

    # --- verbs ---------------------------------------------------------------------------------

    def _list(self, rest: str) -> Object:
        said = f"list or watch objects of kind {self._resource.kind}"
        if "watch" not in self._verbs:
            said = f"list objects of kind {self._resource.kind}"
        answers = op.answered([200], component_of(self._resource, as_list=True), streamed=True)
        query = (*parameters.LIST, "pretty")
        return {
            **self._operation("list", rest, "list", said, query=query),
            "responses": answers,
        }

    def _create(self, rest: str) -> Object:
        said = f"create {_article(self._resource.kind)}"
        query = (*parameters.WRITE, "pretty")
        return {
            **self._operation("create", rest, "post", said, query=query),
            "requestBody": op.body(self._component, self._bodies),
            "responses": op.answered([200, 201, 202], self._component),
        }

    def _delete_collection(self, rest: str) -> Object:
        said = f"delete collection of {self._resource.kind}"
        query = (*parameters.DELETE_COLLECTION, "pretty")
        listed = component_of(self._resource, as_list=True)
        return {
            **self._operation("delete", rest, "deletecollection", said, query=query),
            "requestBody": op.body(op.DELETE_OPTIONS, self._bodies, required=False),
            "responses": op.answered([200], listed),
        }

    def _write_item(self, path: str, rest: str) -> None:
        kind, verbs = self._resource.kind, self._verbs
        self._open(path)
        said = f"read the specified {kind}"
        read = self._operation("read", rest, "get", said, query=("pretty",))
        self._add("get", {**read, "responses": op.answered([200], self._component)})
        if "update" in verbs:
            said = f"replace the specified {kind}"
            self._add("put", self._replace(rest, said, self._component))
        if "patch" in verbs:
            said = f"partially update the specified {kind}"
            self._add("patch", self._patch(rest, said, self._component))
        if "delete" in verbs:
            self._add("delete", self._delete(rest))

    def _replace(self, rest: str, said: str, component: str) -> Object:
        query = (*parameters.WRITE, "pretty")
        return {
            **self._operation("replace", rest, "put", said, query=query),
            "requestBody": op.body(component, self._bodies),
            "responses": op.answered([200, 201], component),
        }

    def _patch(self, rest: str, said: str, component: str) -> Object:
        query = (*parameters.PATCH, "pretty")
        return {
            **self._operation("patch", rest, "patch", said, query=query),
            "requestBody": op.body(op.PATCH, self._patches),
            "responses": op.answered([200, 201], component),
        }

    def _delete(self, rest: str) -> Object:
        said = f"delete {_article(self._resource.kind)}"
        query = (*parameters.DELETE, "pretty")
        # What is held by finalizers or a grace period is answered itself.
        answers = [self._component] if self._kind.returns_deleted else [op.STATUS, self._component]
        return {
            **self._operation("delete", rest, "delete", said, query=query),
            "requestBody": op.body(op.DELETE_OPTIONS, self._bodies, required=False),
            "responses": op.answered([200, 202], *answers),
        }

    # --- subresources --------------------------------------------------------------------------

    def _write_subresource(self, below: Subresource) -> None:
        path = f"{self._collection}/{{name}}/{below.name}"
        title = below.name.capitalize()
        rest = f"{self._scope}{self._resource.kind}{title}"
        # Upstream's paths speak of the parent's name by the subresource's kind.
        self._open(path, below.kind)
        if below.connects:
            self._connect(below, rest)
            if below.has_path:
                self._open(f"{path}/{{path}}", below.kind)
                self._connect(below, f"{rest}WithPath")
            return
        if below.name == "log":
            self._add("get", self._log(rest))
            return
        self._write_changes(below, rest)

    def _write_changes(self, below: Subresource, rest: str) -> None:
        kind, component = self._resource.kind, self._component_of(below)
        said = f"{below.name} of the specified {kind}"
        made: dict[str, tuple[str, Callable[[], Object]]] = {
            "get": ("get", lambda: self._read(rest, f"read {said}", component)),
            "update": ("put", lambda: self._replace(rest, f"replace {said}", component)),
            "patch": ("patch", lambda: self._patch(rest, f"partially update {said}", component)),
            "create": ("post", lambda: self._create_below(below, rest, component)),
        }
        for verb in below.verbs:
            method, make = made[verb]
            gvk = op.group_version_kind(below.group, below.version, below.kind)
            self._add(method, {**make(), "x-kubernetes-group-version-kind": gvk})

    def _component_of(self, below: Subresource) -> str:
        resource = self._resource
        if (below.group, below.version, below.kind) == (
            resource.group,
            resource.version,
            resource.kind,
        ):
            return self._component
        api_version = f"{below.group}/{below.version}" if below.group else below.version
        name = definition_name(api_version, below.kind)
        assert name is not None, f"{below.kind} is no built-in kind"
        return name

    def _read(self, rest: str, said: str, component: str) -> Object:
        read = self._operation("read", rest, "get", said, query=("pretty",))
        return {**read, "responses": op.answered([200], component)}

    def _create_below(self, below: Subresource, rest: str, component: str) -> Object:
        said = f"create {below.name} of {_article(self._resource.kind)}"
        query = (*parameters.WRITE, "pretty")
        # A token is answered with; of a binding and an eviction a Status says that they were done.
        answers = [component] if below.name == "token" else [op.STATUS]
        return {
            **self._operation("create", rest, "post", said, query=query),
            "requestBody": op.body(component, self._bodies),
            "responses": op.answered([200, 201, 202], *answers),
        }

    def _log(self, rest: str) -> Object:
        said = f"read log of the specified {self._resource.kind}"
        query = (*parameters.LOG, "pretty")
        return {
            **self._operation("read", rest, "get", said, query=query),
            "responses": op.responses([200], _TEXT, ("text/plain",)),
        }

    def _connect(self, below: Subresource, rest: str) -> None:
        gvk = op.group_version_kind(below.group, below.version, below.kind)
        for verb in below.verbs:
            for method in _CONNECT_METHODS[verb]:
                if method in ("head", "options") and not below.has_path:
                    continue
                said = f"connect {method.upper()} requests to {below.name} of {self._resource.kind}"
                made = self._operation(
                    "connect",
                    f"{method.capitalize()}{rest}",
                    "connect",
                    said,
                    query=parameters.CONNECT[below.kind],
                )
                made["x-kubernetes-group-version-kind"] = gvk
                self._add(method, {**made, "responses": op.responses([200], _TEXT, op.ANY)})

    # --- watches by path -----------------------------------------------------------------------

    def _write_watches(self) -> None:
        name, scope = self._resource.kind, self._scope
        said = f"watch individual changes to a list of {name}. deprecated: use watch of a list."
        self._watch(f"/watch{self._collection}", "watchlist", f"{scope}{name}List", said)
        one = f"watch changes to an object of kind {name}. deprecated: use watch of a list with a"
        self._watch(
            f"/watch{self._collection}/{{name}}",
            "watch",
            f"{scope}{name}",
            f"{one} fieldSelector of its name.",
        )
        if self._resource.namespaced:
            path = f"/watch/{self._resource.plural}"
            self._watch(path, "watchlist", f"{name}ListForAllNamespaces", said)

    def _watch(self, path: str, action: str, rest: str, said: str) -> None:
        self._open(path)
        query = (*parameters.LIST, "pretty")
        answers = op.answered([200], op.WATCH_EVENT, streamed=True)
        operation = self._operation("watch", rest, action, said, query=query)
        self._add("get", {**operation, "responses": answers})


def _article(noun: str) -> str:
    """Return *noun* with its article; plurals such as Endpoints have none."""
    if noun.endswith("s") and not noun.endswith("ss"):
        return noun
    return f"{'an' if noun[0] in 'AEIOU' else 'a'} {noun}"
