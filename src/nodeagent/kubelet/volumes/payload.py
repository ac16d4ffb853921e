"""The files of configMap, secret, downwardAPI and projected volumes.

Upstream: MakePayload and collectData of pkg/volume/{configmap,secret,downwardapi,projected}. Later
sources of a projected volume win. Absent: clusterTrustBundle, and the owner that fsGroup or
runAsUser give to files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from kubeapi.objects import Object, namespace_of, uid_of
from nodeagent.kubelet.environment import field_value, resource_value
from nodeagent.kubelet.references import ConfigError, Configuration, Reference

_MODE_DEFAULT: Final = 0o644
_TOKEN_EXPIRATION_S: Final = 3600


@dataclass(frozen=True, slots=True)
class FileProjection:
    """One file: its octets and its permissions."""

    octets: bytes
    mode: int = _MODE_DEFAULT


Payload = dict[str, FileProjection]


@dataclass(frozen=True, slots=True, order=True)
class TokenKey:
    """Whose token it is, for whom, and for how long it is asked for."""

    namespace: str
    account: str
    audience: str
    expiration_s: int
    pod_name: str
    pod_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What volumes are filled from besides the pod itself."""

    configuration: Configuration
    tokens: Mapping[TokenKey, str] = field(default_factory=dict)
    #: What the downward API says of limits that a container has not.
    allocatable: Mapping[str, str] = field(default_factory=dict)


def is_projected(volume: Object) -> bool:
    """Tell whether the kubelet writes this volume's files."""
    return any(volume.get(kind) is not None for kind in (*_READERS, "projected"))


def payload(pod: Object, volume: Object, sources: Sources) -> Payload:
    """Return the files of *volume*; raises ConfigError, worded as FailedMount words it."""
    for kind, read in _READERS.items():
        if volume.get(kind) is not None:
            source = volume[kind]
            return read(pod, source, sources, _mode(source.get("defaultMode"), _MODE_DEFAULT))
    projected = volume.get("projected") or {}
    mode = _mode(projected.get("defaultMode"), _MODE_DEFAULT)
    found: Payload = {}
    for source in projected.get("sources") or ():
        for kind, read in (*_READERS.items(), ("serviceAccountToken", _token)):
            if source.get(kind) is not None:
                found |= read(pod, source[kind], sources, mode)
    return found


def token_keys(pod: Object, volume: Object) -> Iterable[TokenKey]:
    """Return the tokens that a volume shows."""
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.get("serviceAccountToken") is not None:
            yield _token_key(pod, source["serviceAccountToken"])


def _token_key(pod: Object, source: Object) -> TokenKey:
    return TokenKey(
        namespace=namespace_of(pod),
        account=pod["spec"].get("serviceAccountName") or "default",
        audience=source.get("audience") or "",
        expiration_s=source.get("expirationSeconds") or _TOKEN_EXPIRATION_S,
        pod_name=pod["metadata"]["name"],
        pod_uid=uid_of(pod),
    )


def _mode(given: int | None, default: int) -> int:
    return default if given is None else given


def _config_map(_pod: Object, source: Object, sources: Sources, mode: int) -> Payload:
    reference = Reference("configmap", source.get("name") or "")
    return _selected(reference, source, sources.configuration, mode, "config")


def _secret(_pod: Object, source: Object, sources: Sources, mode: int) -> Payload:
    reference = Reference("secret", source.get("secretName") or source.get("name") or "")
    return _selected(reference, source, sources.configuration, mode, "secret")


def _selected(
    reference: Reference, source: Object, configuration: Configuration, mode: int, what: str
) -> Payload:
    optional = bool(source.get("optional"))
    octets = configuration.octets(reference, optional=optional)
    items: Sequence[Object] = source.get("items") or ()
    if not items:
        return {key: FileProjection(text, mode) for key, text in octets.items()}
    found: Payload = {}
    for item in items:
        if item["key"] in octets:
            of_item = _mode(item.get("mode"), mode)
            found[item["path"]] = FileProjection(octets[item["key"]], of_item)
        elif not optional:
            text = f"references non-existent {what} key: {item['key']}"
            raise ConfigError(f"{reference.kind} {text}")
    return found


def _downward_api(pod: Object, source: Object, sources: Sources, mode: int) -> Payload:
    found: Payload = {}
    for item in source.get("items") or ():
        if item.get("fieldRef"):
            text = field_value(pod, item["fieldRef"]["fieldPath"], {})
        else:
            reference = item.get("resourceFieldRef") or {}
            text = resource_value(pod, {}, reference, sources.allocatable)
        found[item["path"]] = FileProjection(text.encode(), _mode(item.get("mode"), mode))
    return found


def _token(pod: Object, source: Object, sources: Sources, mode: int) -> Payload:
    token = sources.tokens.get(_token_key(pod, source))
    assert token is not None, "the volume manager asks for all that token_keys names"
    return {source["path"]: FileProjection(token.encode(), mode)}


_Reader = Callable[[Object, Object, Sources, int], Payload]
_READERS: Final[Mapping[str, _Reader]] = {
    "configMap": _config_map,
    "secret": _secret,
    "downwardAPI": _downward_api,
}
