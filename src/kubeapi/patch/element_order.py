"""In which order a merged list ends: the patch's own, with the server's items where they were.

Items that the patch names follow the patch's order; items that only the server has keep their
order among themselves, and each goes before the first named item that it preceded on the server
(upstream: strategicpatch's normalizeElementOrder and mergeSortedSlice).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kubeapi import status

_encode: Final = msgspec.json.Encoder(order="sorted").encode


def identity(item: Any, merge_key: str) -> object:
    """Return what an item is known by, which is hashable; raises StatusError 422."""
    if merge_key:
        if not isinstance(item, dict) or item.get(merge_key) is None:
            raise status.unprocessable(
                f"map: {item} does not contain declared merge key: {merge_key}"
            )
        item = item[merge_key]
    if isinstance(item, list) and not merge_key:
        raise status.unprocessable("lists of lists are not supported")
    return type(item), _encode(item) if isinstance(item, dict | list) else item


def ordered(merged: list[Any], *, order: list[Any], before: list[Any], merge_key: str) -> list[Any]:
    """Return *merged* in the order of *order*, interleaved with what only *before* had."""
    places = _places(order, merge_key)
    named = [item for item in merged if identity(item, merge_key) in places]
    named.sort(key=lambda item: places[identity(item, merge_key)])
    rest = [item for item in merged if identity(item, merge_key) not in places]
    was = _places(before, merge_key)
    rest.sort(key=lambda item: was.get(identity(item, merge_key), len(was)))
    return _interleaved(rest, named, was, merge_key)


def _interleaved(
    left: list[Any], right: list[Any], was: dict[object, int], merge_key: str
) -> list[Any]:
    result: list[Any] = []
    waiting = list(reversed(left))
    for item in right:
        place = was.get(identity(item, merge_key))
        while waiting and place is not None:
            if was.get(identity(waiting[-1], merge_key), len(was)) >= place:
                break
            result.append(waiting.pop())
        result.append(item)
    return result + waiting[::-1]


def _places(items: list[Any], merge_key: str) -> dict[object, int]:
    """Return where each is; who is there twice is where he is first."""
    found: dict[object, int] = {}
    for place, item in enumerate(items):
        found.setdefault(identity(item, merge_key), place)
    return found
