"""ConfigMaps and Secrets that a pod speaks of, and what they say.

They are fetched when a container is about to be made and not watched: a node has few pods and
most have none (upstream's simplest strategy, `Get`). Files do not follow later changes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kubeapi.objects import Object


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

    def data(self, reference: Reference, *, optional: bool) -> Mapping[str, str]:
        """Return the texts of an object; raises ConfigError when it is needed and missing."""
        obj = self.found.get(reference)
        if obj is None:
            if optional:
                return {}
            raise ConfigError(f"{reference} not found")
        texts: dict[str, str] = dict(obj.get("data") or {})
        if reference.kind == "secret":
            return {key: _decoded(text) for key, text in texts.items()}
        texts |= {key: _decoded(text) for key, text in (obj.get("binaryData") or {}).items()}
        return texts

    def value(self, reference: Reference, key: str, *, optional: bool) -> str | None:
        """Return one text; None when it may be missing and is."""
        texts = self.data(reference, optional=optional)
        if key in texts:
            return texts[key]
        if optional:
            return None
        raise ConfigError(f"couldn't find key {key} in {reference}")


def _decoded(text: str) -> str:
    """Return what base64 *text* holds. Files are texts here: other octets become U+FFFD."""
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace")
    except binascii.Error:
        return ""  # The API server accepts nothing else; an old object may hold it.


def references(pod: Object) -> list[Reference]:
    """Return every ConfigMap and Secret that *pod* names, each once."""
    return list(dict.fromkeys((*_from_env(pod), *_from_volumes(pod))))


def _from_env(pod: Object) -> Iterator[Reference]:
    spec = pod["spec"]
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
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
