"""Where objects lie in the store: `/registry/GROUP/PLURAL/[NAMESPACE/]NAME`; `core` is a group."""

from __future__ import annotations

from typing import Final

from kubeapi.resources import Resource

ROOT: Final = "/registry/"
_CORE: Final = "core"


def prefix(resource: Resource, namespace: str = "") -> str:
    """Return what the keys of a resource, or of one namespace of it, begin with."""
    whole = f"{ROOT}{resource.group or _CORE}/{resource.plural}/"
    return f"{whole}{namespace}/" if namespace else whole


def key(resource: Resource, namespace: str, name: str) -> str:
    """Return the key of one object."""
    return prefix(resource, namespace if resource.namespaced else "") + name


def bucket(text: str) -> str:
    """Return the resource's prefix of a key."""
    _, _, group, plural, _ = text.split("/", 4)
    return f"{ROOT}{group}/{plural}/"
