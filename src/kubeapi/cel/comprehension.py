"""Macros over lists and maps as loops (langdef: Macros). Each turn is charged for its body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from kubeapi.cel.errors import EvaluationError, no_such_overload
from kubeapi.cel.frame import Evaluate, Frame
from kubeapi.cel.syntax import Comprehension
from kubeapi.cel.values import Value

if TYPE_CHECKING:
    from kubeapi.cel.evaluator import Translation

#: What a turn costs besides its body.
_TURN_COST: Final = 2


class _Loop:
    """The range of a macro, its variables' slots, and what a turn costs."""

    def __init__(
        self, translation: Translation, node: Comprehension, scope: Mapping[str, int]
    ) -> None:
        self._range = translation.of(node.range, scope)
        self._slots = tuple(translation.slot() for _ in node.variables)
        inner = {**scope, **dict(zip(node.variables, self._slots, strict=True))}
        before = translation.nodes
        self.condition = translation.of(node.condition, inner) if node.condition else None
        self.body = translation.of(node.body, inner)
        self._cost = translation.nodes - before + _TURN_COST
        translation.nodes = before

    def turns(self, frame: Frame) -> Iterator[tuple[Value, Value]]:
        """Yield each key and value, the variables set."""
        items, cost, slots = self._range(frame), self._cost, self._slots
        pairs: Iterator[tuple[Value, Value]]
        if type(items) is list:
            pairs = iter(enumerate(items))
        elif isinstance(items, dict):
            pairs = iter(items.items()) if len(slots) == 2 else ((key, key) for key in items)
        else:
            raise no_such_overload()
        for key, value in pairs:
            frame.charge(cost)
            frame.slots[slots[-1]] = value
            if len(slots) == 2:
                frame.slots[slots[0]] = key
            yield key, value

    def taken(self, frame: Frame) -> bool:
        """Tell whether this turn's item is taken at all."""
        return self.condition is None or is_true(self.condition(frame))


def is_true(value: Value) -> bool:
    if type(value) is not bool:
        raise no_such_overload()
    return value


def comprehension(
    translation: Translation, node: Comprehension, scope: Mapping[str, int]
) -> Evaluate:
    """Return the function of a macro."""
    loop = _Loop(translation, node, scope)
    match node.macro:
        case "all":
            return lambda frame: _quantified(loop, frame, False)
        case "exists":
            return lambda frame: _quantified(loop, frame, True)
        case "exists_one" | "existsOne":
            return lambda frame: sum(1 for _ in loop.turns(frame) if is_true(loop.body(frame))) == 1
        case "filter":
            return lambda frame: [
                value for _, value in loop.turns(frame) if is_true(loop.body(frame))
            ]
        case "transformMap":
            return lambda frame: {
                key: loop.body(frame) for key, _ in loop.turns(frame) if loop.taken(frame)
            }
        case "transformMapEntry":
            return lambda frame: _entries(loop, frame)
    assert node.macro in ("map", "transformList")
    return lambda frame: [loop.body(frame) for _ in loop.turns(frame) if loop.taken(frame)]


def _quantified(loop: _Loop, frame: Frame, decisive: bool) -> bool:
    """`all` is `&&` over the items, `exists` is `||`: errors count where nothing decides."""
    wrong: EvaluationError | None = None
    for _ in loop.turns(frame):
        try:
            if is_true(loop.body(frame)) is decisive:
                return decisive
        except EvaluationError as error:
            wrong = wrong or error
    if wrong is not None:
        raise wrong
    return not decisive


def _entries(loop: _Loop, frame: Frame) -> dict[Value, Value]:
    built: dict[Value, Value] = {}
    for _ in loop.turns(frame):
        entry = loop.body(frame) if loop.taken(frame) else {}
        if type(entry) is not dict:
            raise no_such_overload()
        for key, value in entry.items():
            if key in built:
                raise EvaluationError(f"insert failed: key {key} already exists")
            built[key] = value
    return built
