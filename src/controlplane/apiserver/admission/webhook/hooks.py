"""Webhooks as their configurations have them, in the order they are asked (by name)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

from controlplane.apiserver import keys
from controlplane.apiserver.admission.expressions import Condition, conditions_of
from controlplane.apiserver.admission.matching import Matching
from controlplane.apiserver.cacher import Cacher
from kubeapi.objects import Object, name_of
from kubeapi.resources import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Where a webhook is asked: at a URL, or at a Service."""

    url: str
    namespace: str
    service: str
    port: int
    path: str
    ca_bundle: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One webhook."""

    uid: str
    name: str
    matching: Matching
    conditions: tuple[Condition, ...]
    client: Client
    version: str
    timeout_s: int
    fails_open: bool
    reinvoked: bool
    side_effects: str


def client_of(config: Object) -> Client:
    """Return where a webhook of this clientConfig is asked."""
    service = config.get("service") or {}
    try:
        ca_bundle = base64.b64decode(config.get("caBundle") or "")
    except binascii.Error:
        ca_bundle = b""
    return Client(
        url=config.get("url") or "",
        namespace=service.get("namespace") or "",
        service=service.get("name") or "",
        port=service.get("port") or 0,
        path=service.get("path") or "/",
        ca_bundle=ca_bundle,
    )


def hooks_of(configuration: Object) -> Iterable[Hook]:
    """Return the webhooks of one configuration."""
    for index, hook in enumerate(configuration.get("webhooks") or ()):
        versions = hook.get("admissionReviewVersions") or ()
        known = [version for version in versions if version in ("v1", "v1beta1")]
        yield Hook(
            uid=f"{name_of(configuration)}/{hook['name']}/{index}",
            name=hook["name"],
            matching=Matching.from_object(hook, "rules"),
            conditions=conditions_of(hook),
            client=client_of(hook["clientConfig"]),
            version=known[0] if known else "v1",
            timeout_s=hook["timeoutSeconds"],
            fails_open=hook["failurePolicy"] == "Ignore",
            reinvoked=hook.get("reinvocationPolicy") == "IfNeeded",
            side_effects=hook.get("sideEffects") or "",
        )


class Hooks:
    """All webhooks of one kind of configuration, read anew when one has changed."""

    def __init__(self, cacher: Cacher, resource: Resource) -> None:
        self._cacher, self._resource = cacher, resource
        self._read_at = -1
        self._hooks: tuple[Hook, ...] = ()

    def all(self) -> tuple[Hook, ...]:
        cache = self._cacher.cache(self._resource)
        if cache.changed_at != self._read_at:
            stored = cache.below(keys.prefix(self._resource))
            self._hooks = tuple(hook for each in stored for hook in hooks_of(each.object))
            self._read_at = cache.changed_at
        return self._hooks
