"""Subresources that several kinds have, and the namespaces' finalize."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from controlplane.apiserver.conversion import settled
from controlplane.apiserver.decoding import admit_body, media_type, read_body
from controlplane.apiserver.exchange import Answer, Request
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kinds.scale import SCALE
from controlplane.apiserver.registry import patching
from controlplane.apiserver.registry.options import APPLY_PATCH, WriteOptions, write_options
from controlplane.apiserver.registry.update import View
from controlplane.apiserver.routes.resources import ResourceRoutes
from controlplane.apiserver.routes.server_side_apply import ScaleApply
from controlplane.apiserver.stored import StoredObject, encode
from kubeapi import field
from kubeapi.objects import Object, deep_copy
from kubeapi.resources import SCALES
from kubeapi.schema import schema_for, validate
from kubeapi.status import bad_request, internal, invalid, method_not_allowed, no_such_path

_SCALE_VERSION = "autoscaling/v1"
_KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def _at(obj: Object, path: Sequence[str]) -> object:
    """Return what stands at *path*; None when there is nothing."""
    found: object = obj
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _put(obj: Object, path: Sequence[str], value: object) -> None:
    """Write *value* at *path*, making the maps that lead there."""
    for name in path[:-1]:
        obj[name] = dict(below) if isinstance(below := obj.get(name), dict) else {}
        obj = obj[name]
    obj[path[-1]] = value


def scale_of(kind: Kind, obj: Object) -> Object:
    """Return the autoscaling/v1 Scale of a workload in the version of *kind*; raises 500."""
    paths = kind.scale
    replicas = _at(obj, paths.spec_replicas)
    if replicas is None and kind.is_custom:
        where = f".{'.'.join(paths.spec_replicas)}"
        raise internal(f'the spec replicas field "{where}" does not exist')
    selector = kind.scale_selector(obj) if kind.scale_selector is not None else ""
    if paths.selector:
        selector = str(_at(obj, paths.selector) or "")
    status: Object = {"replicas": _at(obj, paths.status_replicas) or 0}
    if selector or not kind.is_custom:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": _SCALE_VERSION,
        "metadata": {key: obj["metadata"][key] for key in _KEPT if key in obj["metadata"]},
        "spec": {"replicas": replicas or 0},
        "status": status,
    }


def _replicas(scale: Object) -> int:
    schema = schema_for(_SCALE_VERSION, "Scale")
    causes = [] if schema is None else validate(scale, schema)
    if causes:
        raise bad_request("; ".join(map(str, causes)))
    replicas: int = (scale.get("spec") or {}).get("replicas") or 0
    if replicas < 0:
        cause = field.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        name = str((scale.get("metadata") or {}).get("name") or "")
        raise invalid("Scale", name, [cause], group="autoscaling")
    return replicas


def _scale_patch(request: Request, warnings: list[str]) -> patching.Patcher:
    """Return what patches a Scale, and what is to be warned of it."""
    schema = schema_for(_SCALE_VERSION, "Scale")
    assert schema is not None
    patch = patching.patcher_for(schema, request.body, request.content_type)
    asked = write_options(request).strictness
    strict = patching.Strictness(asked, request.body, request.content_type)

    def change(scale: Object) -> Object:
        new = patch(scale)
        with strict.told(new):
            admitted = admit_body(SCALES, new, strict.of_object)
        warnings[:] = strict.warnings(admitted.findings, new)
        return admitted.obj

    return change


class SubresourceRoutes:
    """Answers status and its like, scale and finalize."""

    def __init__(self, resources: ResourceRoutes) -> None:
        self._resources = resources
        self._registry = resources.registry

    async def object(self, kind: Kind, request: Request) -> Answer:
        """Answer a subresource that is the object itself, of which it changes a part."""
        subresource = request.info.subresource
        match request.info.verb:
            case "get":
                return await self._resources.get(kind, request)
            case "update":
                return await self._resources.update(kind, request, subresource)
            case "patch":
                return await self._resources.patch(kind, request, subresource)
        raise method_not_allowed(kind.resource, request.info.verb)

    async def scale(self, kind: Kind, request: Request) -> Answer:
        info, warnings = request.info, list[str]()
        if info.verb == "get":
            await self._resources.wait_for_version(request)
            stored = self._registry.get(kind.stored, info.namespace, info.name)
        elif info.verb == "update":
            admitted = read_body(
                request.body, request.content_type, SCALES, write_options(request).strictness
            )
            warnings += admitted.warnings
            stored = await self._rescale(kind, request, lambda _old: admitted.obj, warnings)
        elif info.verb == "patch" and media_type(request.content_type) == APPLY_PATCH:
            stored = await self._apply_scale(kind, request)
        elif info.verb == "patch":
            stored = await self._rescale(kind, request, _scale_patch(request, warnings), warnings)
        else:
            raise method_not_allowed(kind.resource, info.verb)
        shown = await settled(lambda: scale_of(kind, kind.from_hub(stored.copy())))
        form = self._resources.form(SCALE, request)
        scaled = StoredObject(SCALE, "", encode(shown), stored.revision)
        return form.object(scaled, warnings=warnings)

    async def _apply_scale(self, kind: Kind, request: Request) -> StoredObject:
        options = self._resources.options(kind, request)
        versions = self._registry.versions(kind.stored)
        work, now = ScaleApply(versions, SCALE, request, options), self._resources.now()

        def make_scale(obj: Object, scale: Object) -> Object:
            return work.apply(obj, scale, now)

        return await self._rescaled(kind, request, make_scale, work.options)

    async def _rescale(
        self, kind: Kind, request: Request, make_scale: patching.Patcher, warnings: list[str]
    ) -> StoredObject:
        options = self._resources.options(kind, request)
        stored = await self._rescaled(kind, request, lambda _obj, scale: make_scale(scale), options)
        warnings += options.warnings
        return stored

    async def _rescaled(
        self,
        kind: Kind,
        request: Request,
        make_scale: Callable[[Object, Object], Object],
        options: WriteOptions,
    ) -> StoredObject:
        def change(old: Object) -> Object:
            obj = kind.from_hub(old)
            scale = make_scale(obj, scale_of(kind, obj))
            replicas = _replicas(scale)
            asked = (scale.get("metadata") or {}).get("resourceVersion")
            _put(obj, kind.scale.spec_replicas, replicas)
            if asked:
                obj["metadata"]["resourceVersion"] = asked
            return kind.to_hub(obj)

        def show(obj: Object) -> Object:
            return scale_of(kind, kind.from_hub(deep_copy(obj)))

        def put(obj: Object, scale: Object) -> None:
            seen = kind.from_hub(deep_copy(obj))
            _put(seen, kind.scale.spec_replicas, _replicas(scale))
            new = kind.to_hub(seen)
            obj.clear()
            obj |= new

        info = request.info
        return await self._registry.update(
            kind.stored,
            info.namespace,
            info.name,
            change,
            options,
            subresource="scale",
            view=View(("autoscaling", "v1", "Scale"), show, put),
        )

    async def finalize(self, kind: Kind, request: Request) -> Answer:
        """Answer namespaces/finalize: the only way to change spec.finalizers."""
        if request.info.verb != "update":
            raise method_not_allowed(kind.resource, request.info.verb)
        options = write_options(request)
        admitted = read_body(request.body, request.content_type, kind.resource, options.strictness)
        wanted, metadata = admitted.obj, admitted.obj["metadata"]
        finalizers = (wanted.get("spec") or {}).get("finalizers") or []

        def change(old: Object) -> Object:
            old["spec"] = {**(old.get("spec") or {}), "finalizers": finalizers}
            if metadata.get("resourceVersion"):
                old["metadata"]["resourceVersion"] = metadata["resourceVersion"]
            return old

        stored = await self._registry.update(
            kind,
            "",
            request.info.name,
            change,
            options,
            subresource="finalize",
        )
        warnings = [*admitted.warnings, *options.warnings]
        return self._resources.form(kind, request).object(stored, warnings=warnings)

    async def serve(self, kind: Kind, request: Request) -> Answer:
        """Answer the generic subresources that *kind* has."""
        match request.info.subresource:
            case "scale" if "scale" in kind.subresources:
                return await self.scale(kind, request)
            case name if name in kind.subresources or name in kind.strategies:
                return await self.object(kind, request)
        raise no_such_path()
