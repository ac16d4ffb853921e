"""JSON patch (RFC 6902): a list of operations on paths (upstream: evanphx/json-patch).

Refusals have upstream's words, and so say nothing of what is in the object. As upstream, an index
may count from the end of its list, and an operation that is not known, or lacks its path, is one
that cannot be applied (422): only what is no list of operations is malformed (400).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from kubeapi import status
from kubeapi.objects import Object, deep_copy

#: Upstream's bound on the operations of one patch.
OPERATIONS_MAX: Final = 10_000
#: What all copies of one patch may add together, as JSON (AccumulatedCopySizeLimit).
COPIED_OCTETS_MAX: Final = 3 << 20

#: How deep what comes out may nest: twice as deep as a body.
NESTING_MAX: Final = 200

_TOO_DEEP: Final = "the patch nests the object too deeply"
_MISSING: Final = "missing value"
_ABSENT: Final = object()
_INDEX: Final = re.compile(r"[+-]?[0-9]{1,9}")
_encode: Final = msgspec.json.Encoder().encode


class _Fault(Exception):
    """An operation that cannot be applied."""


def json_patch(obj: Object, ops: Any) -> Object:
    """Return *obj* after *ops*; raises StatusError 400, 413, 422."""
    if not isinstance(ops, list) or not all(isinstance(op, dict) for op in ops):
        raise status.bad_request("error decoding patch: a JSON patch is a list of operations")
    if len(ops) > OPERATIONS_MAX:
        raise status.too_large(
            f"The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {len(ops)}"
        )
    work = _Work(deep_copy(obj))
    try:
        for op in ops:
            work.apply(op)
    except _Fault as fault:
        raise status.unprocessable(str(fault)) from None
    except RecursionError:  # Where a copy goes deeper than the stack.
        raise status.unprocessable(_TOO_DEEP) from None
    if _nests_deeper_than(NESTING_MAX, work.obj):  # Moves into each other nest what no body could.
        raise status.unprocessable(_TOO_DEEP)
    return work.obj


def _nests_deeper_than(levels: int, value: Any) -> bool:
    level = [value]
    for _ in range(levels):
        level = [child for each in level for child in _children(each)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    """Return the lists and maps in a list or map."""
    held = value.values() if isinstance(value, dict) else value
    return [each for each in held if isinstance(each, dict | list)]


class _Work:
    """One object being patched."""

    def __init__(self, obj: Object) -> None:
        self.obj = obj
        self._copied = 0

    def apply(self, op: Object) -> None:
        match op.get("op"):
            case "add":
                where, key = self._at(op, "add", "path", quoted=True)
                about = f"error in add for path: '{op['path']}'"
                _add(where, key, _own(op.get("value")), about)
            case "remove":
                where, key = self._at(op, "remove", "path", quoted=True)
                _remove(where, key, f"error in remove for path: '{op['path']}'")
            case "replace":
                self._replace(op)
            case "move":
                where, key = self._at(op, "move", "from", "from path")
                about = f"error in move for path: '{key}'"
                value = _get(where, key, about)
                _remove(where, key, about)
                self._put(op, "move", value)
            case "copy":
                where, key = self._at(op, "copy", "from", "from path")
                value = _get(where, key, f"error in copy for from: '{op['from']}'")
                self._put(op, "copy", self._copy(value))
            case "test":
                self._test(op)
            case other:
                raise _Fault(f"Unexpected kind: {other if isinstance(other, str) else 'unknown'}")

    def _at(
        self, op: Object, verb: str, name: str, what: str = "path", *, quoted: bool = False
    ) -> tuple[Any, str]:
        """Return the map or list that a path leads into, and the last of its keys."""
        path = op.get(name)
        if not isinstance(path, str):
            raise _Fault(f"{verb} operation failed to decode {name}: {_MISSING}")
        found: Any = self.obj
        _, *keys = path.split("/")
        for key in keys[:-1]:
            found = _look(found, _unescaped(key))
        if not keys or not isinstance(found, dict | list):
            told = f'"{path}"' if quoted else path
            why = f"doc is missing {what}: {told}: {_MISSING}"
            raise _Fault(f"{verb} operation does not apply: {why}")
        return found, _unescaped(keys[-1])

    def _replace(self, op: Object) -> None:
        where, key = self._at(op, "replace", "path")
        if _look(where, key) is _ABSENT:
            why = f"doc is missing key: {op['path']}: {_MISSING}"
            raise _Fault(f"replace operation does not apply: {why}")
        where[_index(key) if isinstance(where, list) else key] = _own(op.get("value"))

    def _put(self, op: Object, verb: str, value: Any) -> None:
        where, key = self._at(op, verb, "path", "destination path")
        _add(where, key, value, f"error in {verb} for path: '{op['path']}'")

    def _copy(self, value: Any) -> Any:
        self._copied += len(_encode(value))
        if self._copied > COPIED_OCTETS_MAX:
            raise _Fault(
                "Unable to complete the copy, the accumulated size increase of copy is "
                f"{self._copied}, exceeding the limit {COPIED_OCTETS_MAX}"
            )
        return _own(value)

    def _test(self, op: Object) -> None:
        where, key = self._at(op, "test", "path")
        found = _look(where, key)
        if isinstance(where, list) and found is _ABSENT:
            raise _Fault(f"error in test for path: '{op['path']}': {_wrong_index(key)}")
        if not _alike(None if found is _ABSENT else found, op.get("value")):
            raise _Fault(f"testing value {op['path']} failed: test failed")


def _own(value: Any) -> Any:
    """Return a copy, since the same patch may be applied once more."""
    return deep_copy(value)


def _alike(found: Any, wanted: Any) -> bool:
    """Compare as JSON does: true is not 1, and the order of a map's keys means nothing."""
    if type(found) is not type(wanted):
        return False
    if isinstance(found, dict):
        return found.keys() == wanted.keys() and all(_alike(found[k], wanted[k]) for k in found)
    if isinstance(found, list):
        return len(found) == len(wanted) and all(map(_alike, found, wanted))
    return bool(found == wanted)


def _unescaped(key: str) -> str:
    return key.replace("~1", "/").replace("~0", "~")


def _index(key: str) -> int | None:
    return int(key) if _INDEX.fullmatch(key) else None


def _wrong_index(key: str) -> str:
    index = _index(key)
    if index is None:
        return f"value was not a proper array index: '{key}'"
    return f"Unable to access invalid index: {index}: invalid index referenced"


def _look(where: Any, key: str) -> Any:
    """Return what is there; _ABSENT where nothing is."""
    if isinstance(where, dict):
        return where.get(key, _ABSENT)
    index = _index(key)
    if isinstance(where, list) and index is not None and -len(where) <= index < len(where):
        return where[index]
    return _ABSENT


def _get(where: Any, key: str, about: str) -> Any:
    found = _look(where, key)
    if found is not _ABSENT:
        return found
    if isinstance(where, list):
        raise _Fault(f"{about}: {_wrong_index(key)}")
    raise _Fault(f"{about}: unable to get nonexistent key: {key}: {_MISSING}")


def _add(where: Any, key: str, value: Any, about: str) -> None:
    if isinstance(where, dict):
        where[key] = value
        return
    index = len(where) if key == "-" else _index(key)
    if index is None or not -len(where) - 1 <= index <= len(where):
        raise _Fault(f"{about}: {_wrong_index(key)}")
    where.insert(index if index >= 0 else index + len(where) + 1, value)


def _remove(where: Any, key: str, about: str) -> None:
    if _look(where, key) is not _ABSENT:
        del where[_index(key) if isinstance(where, list) else key]
    elif isinstance(where, list):
        raise _Fault(f"{about}: {_wrong_index(key)}")
    else:
        raise _Fault(f"{about}: Unable to remove nonexistent key: {key}: {_MISSING}")
