"""What the downward API may be asked for (validateObjectFieldSelector and its kin)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.quantity import QuantityError, parse_quantity
from kubeapi.status import Cause

ENV_FIELDS: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
VOLUME_FIELDS: Final = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
ENV_RESOURCES: Final = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
VOLUME_RESOURCES: Final = ENV_RESOURCES
_HUGE_PAGES: Final = re.compile(r"(limits|requests)\.hugepages-.+")
_SUBSCRIPT: Final = re.compile(r"(.*)\['(.*)'\]")
_WITH_SUBSCRIPT: Final = ("metadata.annotations", "metadata.labels")
_DIVISORS: Final = {
    "cpu": ("1m", "1"),
    "memory": ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"),
}


def validate_field_ref(reference: Object, path: str, supported: Collection[str]) -> Iterator[Cause]:
    at, text = f"{path}.fieldPath", reference.get("fieldPath") or ""
    if not text:
        yield field.required(at)
        return
    subscript = _SUBSCRIPT.fullmatch(text)
    if subscript is None:
        if text not in supported:
            yield field.not_supported(at, text, sorted(supported))
        return
    if subscript[1] not in _WITH_SUBSCRIPT:
        yield field.invalid(at, subscript[1], "does not support subscript")
        return
    key = subscript[2].lower() if subscript[1] == "metadata.annotations" else subscript[2]
    for message in validation.qualified_name(key):
        yield field.invalid(path, subscript[2], message)


def validate_resource_ref(
    reference: Object, path: str, supported: Collection[str], *, named: bool
) -> Iterator[Cause]:
    """Judge a resourceFieldRef; in a volume it must be *named* whose resource it is."""
    text = reference.get("resource") or ""
    if named and not reference.get("containerName"):
        yield field.required(f"{path}.containerName")
    elif not text:
        yield field.required(f"{path}.resource")
    elif text not in supported and not _HUGE_PAGES.fullmatch(text):
        yield field.not_supported(f"{path}.resource", text, sorted(supported))
    allowed = _DIVISORS["cpu" if text.endswith(".cpu") else "memory"]
    divisor = reference.get("divisor") or "0"
    try:
        number = parse_quantity(divisor)
    except QuantityError as error:
        yield field.invalid(f"{path}.divisor", divisor, str(error))
        return
    if number and number not in [parse_quantity(each) for each in allowed]:
        which = "1m and 1" if text.endswith(".cpu") else ", ".join(allowed)
        detail = f"only divisor's values {which} are supported with the {text} resource"
        yield field.invalid(f"{path}.divisor", divisor, detail)
