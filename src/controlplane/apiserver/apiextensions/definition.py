"""From a definition to the kinds that it makes (upstream: customresource_handler's `crdInfo`).

What requests need at once (names, columns, paths) is read from the definition; its schemas, which
may be large, are decoded and compiled when an object is first read or written. Between versions
only the apiVersion changes (conversion strategy None), or a webhook converts (`conversion`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from controlplane.apiserver.apiextensions import printer
from controlplane.apiserver.apiextensions.conversion import Ask, WebhookConversion
from controlplane.apiserver.apiextensions.naming import accepted_names
from controlplane.apiserver.apiextensions.strategy import CustomStrategy
from controlplane.apiserver.kinds.customresourcedefinition.spec import (
    open_api_schema,
    status_enabled,
    storage_version,
    versions_of,
)
from controlplane.apiserver.kinds.kind import Kind, ScalePaths, Strategy
from controlplane.apiserver.stored import StoredObject
from kubeapi.objects import Object, uid_of
from kubeapi.resources import Resource
from kubeapi.schema import TypeSchema, structural
from kubeapi.schema.structural.rules import RuleSet


@dataclass(frozen=True, slots=True)
class Definition:
    """What one CustomResourceDefinition makes."""

    stamp: str  # Changes with everything that the kinds are made from.
    hub: Kind  # The stored version, whether it is served or not.
    served: tuple[Kind, ...]


def stamp_of(crd: Object) -> str:
    """Return a text that changes when the kinds of *crd* do."""
    names = sorted((key, str(value)) for key, value in accepted_names(crd).items())
    return f"{uid_of(crd)}/{crd['metadata'].get('generation')}/{names}"


class _Version:
    """One version of a definition, and its schema as soon as that is needed."""

    def __init__(self, stored: StoredObject, name: str) -> None:
        self._stored, self._name = stored, name

    def document(self) -> Object:
        """Return the schema as it was written."""
        crd = self._stored.copy()
        version = next(each for each in versions_of(crd) if each["name"] == self._name)
        return open_api_schema(version) or {}

    @functools.cached_property
    def compiled(self) -> TypeSchema:
        return structural.build(self.document())

    @functools.cached_property
    def compiled_rules(self) -> RuleSet:
        return RuleSet(self.compiled)

    def rules(self) -> RuleSet:
        return self.compiled_rules

    def type(self) -> TypeSchema:
        return self.compiled

    def complete(self, obj: Object) -> None:
        """Drop from *obj* what this version does not know, and fill in what is missing."""
        structural.prune(obj, self.compiled, metadata=False)
        structural.fill(obj, self.compiled)

    def prune(self, obj: Object) -> None:
        """Drop from *obj* what this version does not know."""
        structural.prune(obj, self.compiled, metadata=False)


def define(stored: StoredObject, crd: Object, ask: Ask) -> Definition:
    """Return the kinds of *crd*, whose names are accepted; *stored* has its schemas.

    A webhook that converts them is asked by *ask*.
    """
    group, storage = crd["spec"]["group"], storage_version(crd)
    versions = {
        f"{group}/{version['name']}": _Version(stored, version["name"])
        for version in versions_of(crd)
    }
    hub_name = f"{group}/{storage['name']}"
    webhook = _webhook(crd, ask)
    hub = replace(
        _kind(crd, storage, versions[hub_name]),
        on_read=_reader(versions, hub_name, converts=webhook is None),
    )
    if webhook is not None:
        convert = webhook.converter(hub_name, versions[hub_name].prune)
        hub = replace(hub, to_hub=convert, from_hub=convert, is_converted=True)
    selectable = {name: text for version in versions_of(crd) for name, text in _fields(version)}
    hub = replace(hub, fields=_fields_reader(selectable))
    served = [
        hub if version is storage else _other_version(crd, version, versions, hub, webhook)
        for version in versions_of(crd)
        if version.get("served")
    ]
    return Definition(stamp_of(crd), hub, tuple(served))


def _webhook(crd: Object, ask: Ask) -> WebhookConversion | None:
    conversion = crd["spec"].get("conversion") or {}
    if conversion.get("strategy") != "Webhook":
        return None
    return WebhookConversion(conversion["webhook"], accepted_names(crd)["kind"], ask)


def _other_version(
    crd: Object,
    version: Object,
    versions: Mapping[str, _Version],
    hub: Kind,
    webhook: WebhookConversion | None,
) -> Kind:
    name, hub_name = f"{hub.resource.group}/{version['name']}", hub.resource.api_version
    to_hub, from_hub = hub.to_hub, _converter(versions[name], name)
    if webhook is not None:
        from_hub = webhook.converter(name, versions[name].prune)
    else:
        to_hub = _converter(versions[hub_name], hub_name)
    return replace(
        _kind(crd, version, versions[name]),
        hub=hub,
        to_hub=to_hub,
        from_hub=from_hub,
        is_converted=hub.is_converted,
        hub_fields={name: name for name, _ in _fields(version)},
    )


def _kind(crd: Object, version: Object, schema: _Version) -> Kind:
    names, scale = accepted_names(crd), _scale_paths(version)
    strategy = CustomStrategy(
        type=schema.type, rules=schema.rules, has_status=status_enabled(version), scale=scale
    )
    below = {"status": status_enabled(version), "scale": scale is not None}
    status = Strategy(
        prepare=strategy.prepare_status_update, validate=strategy.validate_status_update
    )
    return Kind(
        resource=_resource(crd, version),
        singular=names.get("singular") or "",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(name for name, there in below.items() if there),
        strategies={"status": status} if below["status"] else {},
        default=strategy.default,
        prepare_create=strategy.prepare_create,
        prepare_update=strategy.prepare_update,
        validate=strategy.validate,
        validate_create=strategy.validate_create,
        validate_update=strategy.validate_update,
        columns=printer.columns_of(version),
        cells=printer.row_of(version),
        scale=scale or ScalePaths(),
        custom_schema=schema.type,
        custom_document=schema.document,
        custom_stamp=f"{uid_of(crd)}/{crd['metadata'].get('generation')}",
        deprecation=_deprecation(crd, version),
    )


def _resource(crd: Object, version: Object) -> Resource:
    names = accepted_names(crd)
    return Resource(
        crd["spec"]["group"],
        version["name"],
        names["plural"],
        names["kind"],
        crd["spec"]["scope"] == "Namespaced",
        custom=True,
        list_name=names.get("listKind") or "",
    )


def _deprecation(crd: Object, version: Object) -> str:
    if not version.get("deprecated"):
        return ""
    resource = _resource(crd, version)
    said: str | None = version.get("deprecationWarning")
    return said or f"{resource.api_version} {resource.kind} is deprecated"


def _scale_paths(version: Object) -> ScalePaths | None:
    scale = (version.get("subresources") or {}).get("scale")
    if scale is None:
        return None
    selector = scale.get("labelSelectorPath") or ""
    return ScalePaths(
        spec_replicas=_steps(scale["specReplicasPath"]),
        status_replicas=_steps(scale["statusReplicasPath"]),
        selector=_steps(selector) if selector else (),
    )


def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.removeprefix(".").split("."))


def _fields(version: Object) -> list[tuple[str, str]]:
    """Return the selectable fields: what selectors call them, and their paths."""
    paths = [field["jsonPath"] for field in version.get("selectableFields") or ()]
    return [(path.removeprefix("."), path) for path in paths]


def _fields_reader(paths: Mapping[str, str]) -> Callable[[Object], Mapping[str, str]]:
    steps = {name: _steps(path) for name, path in paths.items()}

    def fields(obj: Object) -> Mapping[str, str]:
        return {name: _selected(obj, path) for name, path in steps.items()}

    return fields


def _selected(obj: Object, path: tuple[str, ...]) -> str:
    found: object = obj
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, bool):
        return "true" if found else "false"
    return "" if found is None else str(found)


def _reader(
    versions: Mapping[str, _Version], hub: str, *, converts: bool
) -> Callable[[Object], None]:
    def read(obj: Object) -> None:
        """Make of *obj*, as it was stored once, what it is by today's definition.

        Unless that *converts*, too, it stays in the version that it was stored in.
        """
        stored = versions.get(obj["apiVersion"])
        if stored is not None:
            stored.complete(obj)
        if converts and obj["apiVersion"] != hub:
            obj["apiVersion"] = hub
            versions[hub].complete(obj)

    return read


def _converter(version: _Version, name: str) -> Callable[[Object], Object]:
    def convert(obj: Object) -> Object:
        obj["apiVersion"] = name
        version.complete(obj)
        return obj

    return convert
