"""ConfigMaps and Secrets that a pod speaks of, and what they say.

What they say goes into variables when a container is made, and into files of volumes, which
follow later changes (`object_cache` has the objects).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kubeapi.objects import Object
from kubeapi.pod_containers import every_container


class ConfigError(Exception):
    """The pod asks for configuration that is not there (CreateContainerConfigError)."""


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """Names one ConfigMap or Secret of the pod's namespace."""

    kind: str  # "configmap" or "secret"
    name: str

    def __str__(self) -> str:
        return f'{self.kind} "{self.name}"'


@dataclass(frozen=True, slots=True)
class Configuration:
    """The objects that were found; who is missing is not in it."""

    found: Mapping[Reference, Object] = field(default_factory=dict)

    def octets(self, reference: Reference, *, optional: bool) -> Mapping[str, bytes]:
        """Return all that an object holds; raises ConfigError when it is needed and missing."""
        obj = self._object(reference, optional=optional)
        data: Mapping[str, str] = obj.get("data") or {}
        if reference.kind == "secret":
            return {key: _decoded(text) for key, text in data.items()}
        found = {key: text.encode() for key, text in data.items()}
        found |= {key: _decoded(text) for key, text in (obj.get("binaryData") or {}).items()}
        return found

    def texts(self, reference: Reference, *, optional: bool) -> Mapping[str, str]:
        """Return what variables can be made of: binaryData is for files only."""
        obj = self._object(reference, optional=optional)
        data: Mapping[str, str] = obj.get("data") or {}
        if reference.kind == "secret":
            return {key: _decoded(text).decode(errors="replace") for key, text in data.items()}
        return dict(data)

    def _object(self, reference: Reference, *, optional: bool) -> Object:
        obj = self.found.get(reference)
        if obj is None and not optional:
            raise ConfigError(f"{reference} not found")
        return obj or {}

    def value(self, reference: Reference, key: str, *, optional: bool) -> str | None:
        """Return one text; None when it may be missing and is."""
        texts = self.texts(reference, optional=optional)
        if key in texts:
            return texts[key]
        if optional:
            return None
        raise ConfigError(f"couldn't find key {key} in {reference}")


def _decoded(text: str) -> bytes:
    """Return what base64 *text* holds."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""  # The API server accepts nothing else; an old object may hold it.


def references(pod: Object, *, variables: bool) -> list[Reference]:
    """Return every ConfigMap and Secret that *pod* names for variables or volumes, each once."""
    return list(dict.fromkeys(_from_env(pod) if variables else _from_volumes(pod)))


def _from_env(pod: Object) -> Iterator[Reference]:
    for container in every_container(pod["spec"]):
        for source in container.get("envFrom") or ():
            yield from _named(source.get("configMapRef"), source.get("secretRef"))
        for variable in container.get("env") or ():
            source = variable.get("valueFrom") or {}
            yield from _named(source.get("configMapKeyRef"), source.get("secretKeyRef"))


def _from_volumes(pod: Object) -> Iterator[Reference]:
    for volume in pod["spec"].get("volumes") or ():
        yield from _named(volume.get("configMap"), _secret_volume(volume.get("secret")))
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _named(source.get("configMap"), source.get("secret"))


def _secret_volume(source: Object | None) -> Object | None:
    """Give a secret volume's source the field name that every other source has."""
    return None if source is None else {**source, "name": source.get("secretName")}


def _named(configmap: Object | None, secret: Object | None) -> Iterator[Reference]:
    if configmap and configmap.get("name"):
        yield Reference("configmap", configmap["name"])
    if secret and secret.get("name"):
        yield Reference("secret", secret["name"])
