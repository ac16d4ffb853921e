"""How an object begins (upstream: rest.BeforeCreate)."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from typing import Final

from componentbase.clock import rfc3339
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object
from kubeapi.status import bad_request, invalid

#: No vowels and no digits that look like letters: generated names spell nothing.
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH: Final = 5
_PREFIX_MAX: Final = 58  # So that prefix and suffix together are a DNS label.


def generated_name(prefix: str, rng: random.Random) -> str:
    """Return *prefix* and a random suffix (upstream: names.SimpleNameGenerator)."""
    suffix = "".join(rng.choice(_ALPHABET) for _ in range(_SUFFIX_LENGTH))
    return prefix[:_PREFIX_MAX] + suffix


def set_namespace(kind: Kind, obj: Object, namespace: str) -> None:
    """Let metadata.namespace be the request's; raise StatusError 400 when the object disagrees."""
    metadata = obj["metadata"]
    if not kind.resource.namespaced:
        metadata.pop("namespace", None)
        return
    if metadata.get("namespace") and metadata["namespace"] != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    metadata["namespace"] = namespace


def begin(kind: Kind, obj: Object, rng: random.Random, now: float) -> None:
    """Give a new object its name, uid and time; let its kind default it."""
    metadata = obj["metadata"]
    if metadata.get("resourceVersion"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    if metadata.get("generateName") and not metadata.get("name"):
        metadata["name"] = generated_name(metadata["generateName"], rng)
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"):
        metadata.pop(key, None)
    metadata["uid"] = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    metadata["creationTimestamp"] = rfc3339(now)
    kind.default(obj)


def check(kind: Kind, obj: Object) -> None:
    """Raise StatusError 422 when the kind finds *obj* wrong."""
    causes = [*kind.validate(obj), *kind.validate_create(obj)]
    if causes:
        name = obj["metadata"].get("name") or ""
        raise invalid(kind.resource.kind, name, causes, group=kind.resource.group)


def sorted_object(obj: Mapping[str, object]) -> Object:
    """Return *obj* with its head first, as everybody expects to read it."""
    head = ("apiVersion", "kind", "metadata")
    return {
        **{key: obj[key] for key in head if key in obj},
        **{key: value for key, value in obj.items() if key not in head},
    }
