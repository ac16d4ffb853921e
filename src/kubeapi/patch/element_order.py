"""In which order a merged list ends: the patch's own, with the server's items where they were.

Items that the patch names follow the patch's order; items that only the server has keep their
order among themselves, and each goes before the first named item that it preceded on the server
(upstream: strategicpatch's normalizeElementOrder and mergeSortedSlice).
"""

from __future__ import annotations

from typing import Any


def ordered(merged: list[Any], *, order: list[Any], before: list[Any], merge_key: str) -> list[Any]:
    """Return *merged* in the order of *order*, interleaved with what only *before* had."""
    places = _places(order, merge_key)
    named = [item for item in merged if _identity(item, merge_key) in places]
    named.sort(key=lambda item: places[_identity(item, merge_key)])
    rest = [item for item in merged if _identity(item, merge_key) not in places]
    was = _places(before, merge_key)
    rest.sort(key=lambda item: was.get(_identity(item, merge_key), len(was)))
    return _interleaved(rest, named, was, merge_key)


def _interleaved(
    left: list[Any], right: list[Any], was: dict[Any, int], merge_key: str
) -> list[Any]:
    result: list[Any] = []
    waiting = list(reversed(left))
    for item in right:
        place = was.get(_identity(item, merge_key))
        while waiting and place is not None:
            if was.get(_identity(waiting[-1], merge_key), len(was)) >= place:
                break
            result.append(waiting.pop())
        result.append(item)
    return result + waiting[::-1]


def _places(items: list[Any], merge_key: str) -> dict[Any, int]:
    return {_identity(item, merge_key): place for place, item in enumerate(items)}


def _identity(item: Any, merge_key: str) -> Any:
    return item[merge_key] if merge_key else item
