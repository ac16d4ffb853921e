"""os.environ and os.environb as code in a container knows them: each container has its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Self

from podruntime.sandbox.owner import CURRENT


class RoutedEnvironment(MutableMapping[str, str]):
    """os.environ, one per process, that knows who is asking."""

    def __init__(self, fallback: MutableMapping[str, str]) -> None:
        self._fallback = fallback

    @property
    def _here(self) -> MutableMapping[str, str]:
        owner = CURRENT.get()
        return self._fallback if owner is None else owner.env

    def __getitem__(self, name: str) -> str:
        try:
            return self._here[name]
        except KeyError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, value: str) -> None:
        self._here[_text(name)] = _text(value)

    def __delitem__(self, name: str) -> None:
        try:
            del self._here[name]
        except KeyError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._here))  # As in os.environ, it may change meanwhile.

    def __len__(self) -> int:
        return len(self._here)

    def __repr__(self) -> str:
        return f"environ({dict(self._here)!r})"

    def __or__(self, other: Mapping[str, str]) -> dict[str, str]:
        return {**self._here, **other} if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: Mapping[str, str]) -> dict[str, str]:
        return {**other, **self._here} if isinstance(other, Mapping) else NotImplemented

    def __ior__(  # As os.environ's, it takes pairs, too.
        self, other: Mapping[str, str] | Iterable[tuple[str, str]]
    ) -> Self:
        self.update(other)
        return self

    def copy(self) -> dict[str, str]:
        """Return a plain dict, as os.environ does."""
        return dict(self._here)


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise TypeError(f"str expected, not {type(given).__name__}")
    return given


class RoutedOctets(MutableMapping[bytes, bytes]):
    """os.environb: the same in octets."""

    def __init__(self, texts: RoutedEnvironment) -> None:
        self._texts = texts

    def __getitem__(self, name: bytes) -> bytes:
        return os.fsencode(self._texts[os.fsdecode(name)])

    def __setitem__(self, name: bytes, value: bytes) -> None:
        self._texts[os.fsdecode(name)] = os.fsdecode(value)

    def __delitem__(self, name: bytes) -> None:
        del self._texts[os.fsdecode(name)]

    def __iter__(self) -> Iterator[bytes]:
        return map(os.fsencode, self._texts)

    def __len__(self) -> int:
        return len(self._texts)
