"""What plugins remember from one extension point to the next (upstream: framework.CycleState).

It lives for one attempt to schedule one pod. Preemption tries nodes with other pods on them, each
on a clone, so a value that `add_pod` and `remove_pod` change has a `clone` method; all others are
shared.
"""

from __future__ import annotations

from typing import Generic, Protocol, Self, TypeVar, cast, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class Clonable(Protocol):
    """A value that is changed while nodes are tried."""

    def clone(self) -> Self:
        """Return a copy that can be changed alone."""


class StateKey(Generic[T]):
    """Under what a plugin keeps a value of one type."""

    def __init__(self, name: str) -> None:
        self.name = name


class CycleState:
    """One attempt's values, and which plugins have nothing to say in it."""

    __slots__ = ("_values", "skip_filter", "skip_score", "slow_pre_bind")

    def __init__(self) -> None:
        self._values: dict[str, object] = {}
        self.skip_filter: set[str] = set()
        self.skip_score: set[str] = set()
        #: Set by Reserve: PreBind waits for others, so the pod must not hold others' bindings up.
        self.slow_pre_bind = False

    def __setitem__(self, key: StateKey[T], value: T) -> None:
        self._values[key.name] = value

    def __getitem__(self, key: StateKey[T]) -> T:
        return cast(T, self._values[key.name])

    def __contains__(self, key: StateKey[T]) -> bool:
        return key.name in self._values

    def clone(self) -> CycleState:
        """Return a state in which pods can be added to nodes and removed from them."""
        copy = CycleState()
        copy._values = {
            name: value.clone() if isinstance(value, Clonable) else value
            for name, value in self._values.items()
        }
        copy.skip_filter, copy.skip_score = self.skip_filter, self.skip_score
        return copy
