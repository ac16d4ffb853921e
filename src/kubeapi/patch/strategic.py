"""Strategic merge patch: merge patch that knows which lists are maps (upstream: strategicpatch).

The schema says of each list whether a patch merges or replaces it, and by which key its items
are told apart. The patch may carry directives:

    $patch: replace | delete        of a map, or of an item of a merged list
    $retainKeys: [...]              keep only these keys of the original map (unions)
    $setElementOrder/LIST: [...]    the order of the merged list
    $deleteFromPrimitiveList/LIST   values to remove from a merged list of primitives

Upstream also merges patches with patches (three-way diffs in kubectl); a server never does.
"""

from __future__ import annotations

from typing import Any, Final

from kubeapi import status
from kubeapi.objects import Object, deep_copy
from kubeapi.patch.element_order import identity, ordered
from kubeapi.schema.types import TypeSchema

_PATCH: Final = "$patch"
_RETAIN_KEYS: Final = "$retainKeys"
_SET_ORDER: Final = "$setElementOrder/"
_DELETE_PRIMITIVES: Final = "$deleteFromPrimitiveList/"
_DIRECTIVES: Final = (_PATCH, _RETAIN_KEYS, _SET_ORDER, _DELETE_PRIMITIVES)


def strategic_merge_patch(obj: Object, patch: Any, schema: TypeSchema) -> Object:
    """Return *obj* with *patch* merged into it; raises StatusError."""
    if not isinstance(patch, dict):
        raise status.bad_request("error decoding patch: a strategic merge patch is an object")
    return _merge_map(deep_copy(obj), deep_copy(patch), schema)


def _merge_map(original: Object, patch: Object, schema: TypeSchema) -> Object:
    """Merge *patch* into *original*; both are consumed."""
    directive = patch.pop(_PATCH, None)
    if directive is not None:
        return _directed(directive, patch)
    _retain_keys(original, patch)
    for key in [key for key in patch if key.startswith(_SET_ORDER)]:
        _merge_ordered(original, patch, key, schema)
    for key, value in patch.items():
        if key.startswith(_DELETE_PRIMITIVES):
            _delete_primitives(original, key.removeprefix(_DELETE_PRIMITIVES), value)
        elif value is None:
            original.pop(key, None)
        else:
            _merge_value(original, key, value, schema.property(key))
    return original


def _directed(directive: Any, patch: Object) -> Object:
    match directive:
        case "replace":
            replaced: Object = _without_directives(patch)
            return replaced
        case "delete":
            return {}
        case "merge":
            raise status.bad_request(f"{_PATCH}: merge is not supported in a map")
    raise status.bad_request(f"unknown patch type found: {directive}")


def _retain_keys(original: Object, patch: Object) -> None:
    keys = patch.pop(_RETAIN_KEYS, None)
    if keys is None:
        return
    if not isinstance(keys, list):
        raise status.bad_request(f"invalid patch format of {_RETAIN_KEYS}: not a list")
    for key, value in patch.items():
        if value is not None and not key.startswith("$") and key not in keys:
            raise status.bad_request(f"invalid patch format of {_RETAIN_KEYS}: {key} is not in it")
    for key in [key for key in original if key not in keys]:
        del original[key]


def _merge_value(original: Object, key: str, value: Any, schema: TypeSchema) -> None:
    before = original.get(key)
    if isinstance(before, dict) and isinstance(value, dict):
        if "replace" in schema.patch_strategies:
            original[key] = value
        else:
            original[key] = _merge_map(before, value, schema)
    elif isinstance(before, list) and isinstance(value, list):
        original[key] = _merge_list(before, value, schema)
    elif _is_directed(value):
        original.pop(key, None)  # There is nothing that it could be about.
    else:
        original[key] = _without_directives(value)


# --- lists -----------------------------------------------------------------------------------


def _merge_list(original: list[Any], patch: list[Any], schema: TypeSchema) -> list[Any]:
    if "merge" not in schema.patch_strategies:
        replaced: list[Any] = _without_directives(patch)
        return replaced
    if not any(isinstance(item, dict) for item in original + patch):
        merged = list({identity(item, ""): item for item in [*original, *patch]}.values())
        return ordered(merged, order=patch, before=original, merge_key="")
    return _merge_list_of_maps(original, patch, schema)


def _merge_list_of_maps(original: list[Any], patch: list[Any], schema: TypeSchema) -> list[Any]:
    key = schema.merge_key
    if not key:
        raise status.unprocessable("cannot merge lists of objects without a merge key")
    if any(isinstance(item, dict) and item.get(_PATCH) == "replace" for item in patch):
        return [_without_directives(item) for item in patch if not _is_directed(item)]
    kept, wanted = list(original), []
    for item in patch:
        value = identity(item, key)
        directive = item.get(_PATCH)
        if directive == "delete":
            kept = [other for other in kept if identity(other, key) != value]
        elif directive is not None:
            raise status.bad_request(f"unknown patch type found: {directive}")
        else:
            wanted.append(item)
    merged = _merge_items(kept, wanted, schema)
    return ordered(merged, order=wanted, before=kept, merge_key=key)


def _merge_items(original: list[Any], patch: list[Any], schema: TypeSchema) -> list[Any]:
    key = schema.merge_key
    merged = list(original)
    for item in patch:
        value = identity(item, key)
        for index, other in enumerate(merged):
            if identity(other, key) == value:
                merged[index] = _merge_map(dict(other), dict(item), schema.item)
                break
        else:
            merged.append(_without_directives(item))
    return merged


def _delete_primitives(original: Object, key: str, values: Any) -> None:
    if values is None:
        original.pop(key, None)
        return
    if not isinstance(values, list):
        raise status.bad_request(f"invalid patch format of {_DELETE_PRIMITIVES}{key}: not a list")
    before = original.get(key)
    if isinstance(before, list):
        original[key] = [item for item in before if item not in values]


def _merge_ordered(original: Object, patch: Object, directive: str, schema: TypeSchema) -> None:
    """Merge the list that *directive* orders, and take both out of *patch*."""
    order, key = patch.pop(directive), directive.removeprefix(_SET_ORDER)
    child = schema.property(key)
    before, wanted = original.get(key), patch.pop(key, None)
    if not isinstance(order, list) or not isinstance(wanted, list | None):
        raise status.bad_request(f"invalid patch format of {directive}: not a list")
    _check_order(wanted or [], order, directive, child.merge_key)
    if isinstance(before, list):
        merged = _merge_list(list(before), wanted, child) if wanted is not None else before
        before = _order_on_the_server(before, wanted or [], child)
    elif wanted is not None:
        merged, before = _without_directives(wanted), []
    else:
        return
    original[key] = ordered(merged, order=order, before=before, merge_key=child.merge_key)


def _order_on_the_server(before: list[Any], wanted: list[Any], schema: TypeSchema) -> list[Any]:
    """Return the items by whose order the merged ones are told apart.

    As upstream: where items go, others move up, and what is new comes into the places left over.
    """
    key = schema.merge_key
    if not key or "merge" not in schema.patch_strategies:
        return before
    named = {identity(item, key): item for item in wanted}
    gone = {name for name, item in named.items() if item.get(_PATCH) == "delete"}
    held = [identity(item, key) for item in before]
    kept = [item for item, name in zip(before, held, strict=True) if name not in gone]
    new = [item for name, item in named.items() if name not in gone and name not in held]
    return (kept + new)[: len(before)]


def _check_order(wanted: list[Any], order: list[Any], directive: str, key: str) -> None:
    """Raise StatusError 400 unless *wanted* comes in the order that *order* has."""
    rest = iter([identity(item, key) for item in order])
    for item in wanted:
        if _is_directed(item):
            continue
        if order and identity(item, key) not in rest:  # Goes on behind what was found.
            raise status.bad_request(
                f"The order in patch list:\n{wanted}\n doesn't match {directive}"
            )


def _without_directives(value: Any) -> Any:
    """Return a value as the original takes it where it had none: no nulls, no directives.

    A map with a directive of its own is about one that is not there, and goes.
    """
    if isinstance(value, dict):
        return {
            key: _without_directives(item)
            for key, item in value.items()
            if item is not None and not key.startswith(_DIRECTIVES) and not _is_directed(item)
        }
    if isinstance(value, list):
        return [_without_directives(item) for item in value if not _is_directed(item)]
    return value


def _is_directed(item: Any) -> bool:
    return isinstance(item, dict) and _PATCH in item
