"""The annotation of kubectl's client-side apply (upstream: managedfields' lastapplied…).

Who has applied from the client and now applies from the server is the same person: what stands in
the annotation, and is still so, is no conflict. As long as the annotation is there it is kept true,
for who goes back.
"""

from __future__ import annotations

import json
from typing import Final

from kubeapi.apply.compare import compare, fields_of
from kubeapi.apply.elements import InvalidList
from kubeapi.apply.field_set import Node, difference
from kubeapi.apply.managers import without_head
from kubeapi.objects import Object
from kubeapi.schema import TypeSchema

#: The manager that kubectl applies as, and what its client-side apply leaves behind.
KUBECTL: Final = "kubectl"
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
#: What all annotations of an object may have together; beyond it the annotation goes.
_ANNOTATIONS_MAX: Final = 256 << 10
#: Go's encoder writes these so that a page of HTML may hold them.
_ESCAPED: Final = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def still_so(live: Object, api_version: str, schema: TypeSchema) -> Node | None:
    """Return the fields that were applied from the client and that nobody has changed since."""
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    last = _configuration(text) if text else None
    if last is None or last.get("apiVersion") != api_version:
        return None
    try:
        fields = fields_of(without_head(last), schema)
        found = compare(without_head(last), without_head(live), schema)
    except InvalidList:
        return None
    for other in (found.modified, found.added, found.removed):
        fields = difference(fields, other)
    return fields


def _configuration(text: str) -> Object | None:
    """Return what the annotation holds; None where somebody has written nonsense."""
    try:
        last = json.loads(text)
    except (ValueError, RecursionError):
        return None
    metadata = last.get("metadata", {}) if isinstance(last, dict) else None
    return last if isinstance(metadata, dict) else None


def follow(metadata: Object, applied: Object) -> None:
    """Say in the annotation of *metadata*, where there is one, what was *applied* now."""
    annotations = dict(metadata.get("annotations") or {})
    if not annotations.get(LAST_APPLIED):
        return
    annotations[LAST_APPLIED] = _text(applied)
    octets = sum(len(name.encode()) + len(value.encode()) for name, value in annotations.items())
    if octets > _ANNOTATIONS_MAX:
        del annotations[LAST_APPLIED]
    metadata["annotations"] = annotations


def _text(applied: Object) -> str:
    metadata = applied["metadata"]
    own = metadata.get("annotations")
    if own and LAST_APPLIED in own:
        rest = {name: value for name, value in own.items() if name != LAST_APPLIED}
        applied = {**applied, "metadata": {**metadata, "annotations": rest}}
    text = json.dumps(applied, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.translate(_ESCAPED) + "\n"
