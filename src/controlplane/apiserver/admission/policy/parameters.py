"""The objects that a binding gives a policy as `params` (upstream: CollectParams)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from controlplane.apiserver import keys
from controlplane.apiserver.admission.attributes import Attributes
from controlplane.apiserver.admission.policy.definitions import Binding, Policy
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.stored import StoredObject
from kubeapi.objects import Object, labels_of
from kubeapi.selectors import LabelSelector


class BadConfiguration(ValueError):
    """A policy and its binding do not fit together, or not with what there is."""


def parameters(
    policy: Policy,
    binding: Binding,
    attributes: Attributes,
    kinds: Iterable[Kind],
    cacher: Cacher,
) -> Sequence[Object | None]:
    """Return what the policy is asked with, once for each; raises BadConfiguration."""
    wanted, reference = policy.param_kind, binding.param_ref
    if wanted is None or reference is None:
        return [None]
    kind = next((each for each in kinds if _is(each, wanted)), None)
    if kind is None:
        told = f"{wanted.get('apiVersion')}, Kind={wanted.get('kind')}"
        raise BadConfiguration(f"paramKind kind `{told}` not known")
    found = _found(kind, reference, _namespace(kind, reference, attributes), cacher)
    if not found and reference.get("parameterNotFoundAction") == "Deny":
        raise BadConfiguration(
            "no params found for policy binding with `Deny` parameterNotFoundAction"
        )
    return found


def _is(kind: Kind, wanted: Object) -> bool:
    resource = kind.resource
    return (resource.api_version, resource.kind) == (wanted.get("apiVersion"), wanted.get("kind"))


def _namespace(kind: Kind, reference: Object, attributes: Attributes) -> str:
    namespace: str = reference.get("namespace") or ""
    if not kind.resource.namespaced:
        if namespace:
            why = "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"
            raise BadConfiguration(why)
        return ""
    namespace = namespace or attributes.namespace
    if not namespace:
        raise BadConfiguration(
            "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
        )
    return namespace


def _found(kind: Kind, reference: Object, namespace: str, cacher: Cacher) -> list[Object | None]:
    resource = kind.stored.resource
    cache = cacher.cache(resource)
    if reference.get("name"):
        stored = cache.get(keys.key(resource, namespace, reference["name"]))
        return [] if stored is None else [_seen(kind, stored)]
    selector = LabelSelector.from_object(reference.get("selector") or {})
    return [
        _seen(kind, stored)
        for stored in cache.below(keys.prefix(resource, namespace))
        if selector.matches(labels_of(stored.object))
    ]


def _seen(kind: Kind, stored: StoredObject) -> Object:
    """Return *stored* in the version of *kind*; what is shared is not changed."""
    plain = kind.hub is None and not kind.is_converted
    return stored.object if plain else kind.from_hub(stored.copy())
