"""PATCH with `application/apply-patch+yaml`: what a manager wants (upstream: applyPatcher).

The body is a configuration: some fields of an object that need not be there yet. Who owns what, and
what that means, stands in `kubeapi.apply`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from componentbase.clock import Clock
from controlplane.apiserver import strict_decoding
from controlplane.apiserver.conversion import settled
from controlplane.apiserver.decoding import (
    YAML,
    Admitted,
    admit_shape,
    decode_object,
)
from controlplane.apiserver.exchange import Request
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.managed_fields import writer_of
from controlplane.apiserver.registry.options import WriteOptions
from controlplane.apiserver.registry.registry import Registry
from controlplane.apiserver.request_info import is_true
from controlplane.apiserver.stored import StoredObject
from controlplane.apiserver.strict_decoding import NOTHING, may_repeat
from kubeapi.apply import ApplyConflict, InvalidList, apply, apply_scale, check
from kubeapi.objects import Object, deep_copy
from kubeapi.status import StatusError, bad_request, is_already_exists, is_not_found

_ATTEMPTS_MAX = 5


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of an apply."""

    stored: StoredObject
    created: bool
    warnings: Sequence[str]


def configuration(kind: Kind, request: Request, options: WriteOptions) -> Admitted:
    """Return the configuration in the body, nulls and all; raises StatusError 400.

    Null is an opinion, too: who applies it owns the field, and wants its default.
    """
    obj = decode_object(request.body, YAML)
    for name in ("apiVersion", "kind"):
        if not obj.get(name):
            raise bad_request(f"{name} must be set in an apply patch")
    repeated = NOTHING
    if options.strictness != "Ignore" and may_repeat(request.body, obj):
        repeated = strict_decoding.in_yaml(request.body, obj)
    if repeated and options.strictness == "Strict":
        told = strict_decoding.yaml_errors(repeated.lines)
        raise bad_request(f"error strict decoding YAML: error converting YAML to JSON: {told}")
    # Unknown fields are no matter of strictness here: nobody could own them.
    admitted = replace(admit_shape(kind, obj, "", partial=True), findings=repeated)
    if not kind.is_custom:
        admitted = replace(admitted, obj=obj)
    metadata = admitted.obj["metadata"]
    if metadata.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    if metadata.setdefault("name", request.info.name) != request.info.name:
        raise bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL "
            f"({request.info.name})"
        )
    _check_fields(kind, request, admitted.obj)
    return admitted


def _check_fields(kind: Kind, request: Request, config: Object) -> None:
    """Raise StatusError 400 for what nobody could own."""
    wrong = check(config, kind.schema)
    if wrong:
        info, resource = request.info, kind.resource
        version = f"{resource.group}/{resource.version}"
        raise bad_request(
            f"failed to create typed patch object ({info.namespace}/{info.name}; "
            f"{version}, Kind={resource.kind}): {wrong}"
        )


@contextmanager
def _told() -> Iterator[None]:
    """Raise StatusError 400, 409 for what an apply finds."""
    try:
        yield
    except ApplyConflict as conflict:
        causes = [cause.to_object() for cause in conflict.causes()]
        raise StatusError(409, "Conflict", str(conflict), {"causes": causes}) from None
    except InvalidList as error:  # What is stored has it; the configuration was looked at.
        raise bad_request(f"failed to create typed live object: {error}") from None


class ScaleApply:
    """One request to apply a Scale."""

    def __init__(
        self, versions: Sequence[Kind], scale: Kind, request: Request, options: WriteOptions
    ) -> None:
        self.options = replace(options, is_apply=True)
        self._force = is_true(request.query.get("force"))
        self._paths = {
            each.resource.api_version: each.scale.spec_replicas
            if "scale" in each.subresources
            else ()
            for each in versions
        }
        self._scale = scale
        self._config = configuration(scale, request, options).obj

    def apply(self, obj: Object, scale: Object, now: float) -> Object:
        """Return *scale*, that of *obj*, as it is wanted; raises StatusError 400, 409."""
        only = (self._scale,)
        writer = writer_of(self._scale, only, self.options, "scale", now, head=scale)
        with _told():
            return apply_scale(
                obj, scale, deep_copy(self._config), writer, self._paths, force=self._force
            )


class ServerSideApply:
    """One request to apply."""

    def __init__(
        self, registry: Registry, kind: Kind, request: Request, options: WriteOptions, wall: Clock
    ) -> None:
        self._registry, self._kind, self._request, self._now = registry, kind, request, wall()
        self._options = replace(options, is_apply=True)
        self._force = is_true(request.query.get("force"))

    async def serve(self, subresource: str) -> Applied:
        """Change the object, or make it; raises StatusError 400, 404, 409, 422."""
        config = configuration(self._kind, self._request, self._options)
        for _ in range(_ATTEMPTS_MAX):
            try:
                stored = await self._update(config.obj, subresource)
                return self._answer(stored, config, created=False)
            except StatusError as error:
                if subresource or not is_not_found(error):
                    raise
            try:
                return self._answer(await self._create(config.obj), config, created=True)
            except StatusError as error:
                if not is_already_exists(error):
                    raise
        raise StatusError(409, "Conflict", "others create and delete this object all the time")

    def _answer(self, stored: StoredObject, config: Admitted, *, created: bool) -> Applied:
        return Applied(stored, created, [*config.warnings, *self._options.warnings])

    async def _update(self, config: Object, subresource: str) -> StoredObject:
        info = self._request.info

        def change(old: Object) -> Object:
            return self._applied(self._kind.from_hub(old), config, subresource)

        return await self._registry.update(
            self._kind.stored,
            info.namespace,
            info.name,
            change,
            self._options,
            subresource=subresource,
        )

    async def _create(self, config: Object) -> StoredObject:
        obj = await settled(lambda: self._applied(None, config, ""))
        namespace = self._request.info.namespace
        return await self._registry.create(self._kind.stored, namespace, obj, self._options)

    def _applied(self, live: Object | None, config: Object, subresource: str) -> Object:
        """Return the whole object as it is stored; raises StatusError 400, 409, 422."""
        kind = self._kind
        versions = self._registry.versions(kind.stored)
        writer = writer_of(
            kind, versions, self._options, subresource, self._now, head=live or config
        )
        with _told():
            new = apply(live, deep_copy(config), writer, force=self._force)
        return kind.to_hub(admit_shape(kind, new, "").obj)
