"""Conversions that somebody outside makes, where decisions are made without waiting.

A kind of several versions is converted in the middle of what is decided: of a patch, of managed
fields, of a watch's next octets. Where a webhook converts, that takes a request. So what is decided
stays plain: it looks conversions up among those that are made already (`Made`), and where one is
missing raises `ConversionNeeded`. `settled` is the shell around: it has the conversion made, and
lets the same be decided once more. A request remembers its conversions, so each is made once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

import msgspec

from kubeapi.objects import Object
from kubeapi.status import StatusError, internal

#: How often the same is decided before it is given up: each time something new was missing.
_ROUNDS_MAX: Final = 64

#: So many objects are asked for at once.
BATCH: Final = 100

T = TypeVar("T")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode

#: Objects to be converted into a version → the converted ones, in their order; raises StatusError.
Convert = Callable[[list[Object], str], Awaitable[list[Object]]]


class Made:
    """The conversions that one request has had made; nothing in it is shared with anybody."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, bytes], bytes] = {}

    def find(self, obj: Object, version: str) -> Object | None:
        """Return *obj* in *version*, for the caller to change; None when nobody has made it."""
        found = self._made.get((version, _encode(obj)))
        return None if found is None else _decode(found)

    def note(self, obj: Object, version: str, converted: Object) -> None:
        self._made[version, _encode(obj)] = _encode(converted)

    def clear(self) -> None:
        self._made.clear()


_made: ContextVar[Made | None] = ContextVar("conversions", default=None)


class ConversionNeeded(StatusError):
    """Something cannot be decided until *objects* are known in *version*."""

    def __init__(self, convert: Convert, objects: list[Object], version: str) -> None:
        what = f"a conversion to {version} is needed where none can be waited for"
        super().__init__(500, "InternalError", f"Internal error occurred: {what}")
        self._convert, self.objects, self._version = convert, objects, version

    async def make(self, made: Made) -> None:
        """Have the conversions made; raises StatusError when they fail."""
        converted = await self._convert(self.objects, self._version)
        for obj, new in zip(self.objects, converted, strict=True):
            made.note(obj, self._version, new)


def find(obj: Object, version: str) -> Object | None:
    """Return *obj* in *version* if that conversion was made for who asks."""
    made = _made.get()
    return None if made is None else made.find(obj, version)


@contextmanager
def remembering(made: Made | None = None) -> Iterator[Made]:
    """Let conversions be remembered inside the block; in *made*, if that is given."""
    found = Made() if made is None else made
    token = _made.set(found)
    try:
        yield found
    finally:
        _made.reset(token)


async def settled(decide: Callable[[], T]) -> T:
    """Return what *decide* returns, once the conversions that it lacks are made.

    It may be called several times, and must then do the same; raises what it raises.
    """
    try:
        return decide()
    except ConversionNeeded as error:
        needed = error
    made = _made.get()
    if made is None:
        with remembering() as made:
            return await _after(needed, made, decide)
    return await _after(needed, made, decide)


async def _after(needed: ConversionNeeded, made: Made, decide: Callable[[], T]) -> T:
    for _ in range(_ROUNDS_MAX):
        await needed.make(made)
        try:
            return decide()
        except ConversionNeeded as error:
            needed = error
    raise internal("conversions lead to ever new conversions")
