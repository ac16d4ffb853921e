"""Names that need be no DNS names, as `system:node` (path.IsValidPathSegmentName).

A name only has to fit between two slashes of a URL.
"""

from __future__ import annotations

from typing import Final

from kubeapi.validation import Messages

_NOT_ALLOWED: Final = (".", "..")
_NOT_CONTAINED: Final = ("/", "%")


def path_segment(name: str) -> Messages:
    """Judge the name of a role or of a binding."""
    if name in _NOT_ALLOWED:
        return [f"may not be '{name}'"]
    return [f"may not contain '{mark}'" for mark in _NOT_CONTAINED if mark in name]
