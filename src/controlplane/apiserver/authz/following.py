"""How the authorizer learns of roles, bindings and pods: from the caches, change by change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from controlplane.apiserver import keys
from controlplane.apiserver.authz.authorizer import Authorizer
from controlplane.apiserver.stored import StoredObject
from controlplane.apiserver.watch_cache import Change, WatchCache
from kubeapi.objects import Object, name_of, namespace_of
from kubeapi.resources import (
    ALL,
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    PODS,
    ROLEBINDINGS,
    ROLES,
    Resource,
)

_ByPlural = {resource.plural: resource for resource in ALL}


class _Caches(Protocol):
    """The cacher, as far as this room needs it."""

    def cache(self, resource: Resource) -> WatchCache:
        """Return the cache of one resource; raises KeyError for what is not served."""


class _PodSpec(msgspec.Struct, frozen=True):
    nodeName: str = ""


class _Pod(msgspec.Struct, frozen=True):
    """Of a stored pod what the graph needs: the rest is not even decoded."""

    spec: _PodSpec = _PodSpec()


_decode_pod = msgspec.msgpack.Decoder(_Pod).decode


class _Rules:
    """Keeps roles or bindings."""

    def __init__(
        self, put: Callable[[Object], None], drop: Callable[[tuple[str, str]], None]
    ) -> None:
        self._put, self._drop = put, drop
        self._known: dict[str, tuple[str, str]] = {}

    def reset(self, items: Iterable[StoredObject]) -> None:
        for key in self._known.values():
            self._drop(key)
        self._known.clear()
        for stored in items:
            self._take(stored)

    def apply(self, change: Change) -> None:
        if not change.deleted:
            self._take(change.current)
            return
        known = self._known.pop(change.current.key, None)
        if known is not None:
            self._drop(known)

    def _take(self, stored: StoredObject) -> None:
        obj = stored.object
        self._known[stored.key] = (namespace_of(obj), name_of(obj))
        self._put(obj)


class _Pods:
    """Keeps which pods are bound to which node."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._graph = authorizer.graph

    def reset(self, items: Iterable[StoredObject]) -> None:
        self._graph.clear()
        for stored in items:
            self._take(stored)

    def apply(self, change: Change) -> None:
        if change.deleted:
            self._graph.drop_pod(*_place(change.current.key))
        else:
            self._take(change.current)

    def _take(self, stored: StoredObject) -> None:
        self._graph.put_pod(*_place(stored.key), _decode_pod(stored.raw).spec.nodeName)


def _place(key: str) -> tuple[str, str]:
    _, namespace, name = key.rsplit("/", 2)
    return namespace, name


def follow(caches: _Caches, authorizer: Authorizer) -> None:
    """Let *authorizer* know what the caches hold, now and from now on."""
    rbac = authorizer.rbac
    for resources, put, drop in (
        ((ROLES, CLUSTERROLES), rbac.put_role, rbac.drop_role),
        ((ROLEBINDINGS, CLUSTERROLEBINDINGS), rbac.put_binding, rbac.drop_binding),
    ):
        for resource in resources:
            caches.cache(resource).follow(_Rules(put, drop))
    caches.cache(PODS).follow(_Pods(authorizer))


def find(caches: _Caches, plural: str, namespace: str, name: str) -> Object | None:
    """Return an object that the graph leads through; None also for kinds that are not served."""
    resource = _ByPlural.get(plural)
    if resource is None:
        return None
    found = caches.cache(resource).get(keys.key(resource, namespace, name))
    return None if found is None else found.object
