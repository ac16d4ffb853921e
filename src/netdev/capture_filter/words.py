"""A filter's text cut into words, each with its place, so that an error can point at it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: Longer than any person writes; a machine's list of addresses has room.
TEXT_MAX: Final = 16_384
_SHOWN_MAX: Final = 60
#: Two colons make an IPv6 address or a MAC: `ip[2:2]` has one. A name may be escaped,
#: `proto \\tcp`, since libpcap's grammar needs that.
_WORD: Final = re.compile(
    r"""\s*(?:
      (?P<colons>[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)
    | \\?(?P<name>[A-Za-z0-9](?:[-_.A-Za-z0-9]*[A-Za-z0-9])?)
    | (?P<sign>&&|\|\||<<|>>|<=|>=|==|!=|[-+*/%&|^!=<>()\[\]:])
    )""",
    re.VERBOSE,
)


class FilterError(ValueError):
    """A filter that makes no sense; the text points at the word."""

    def __init__(self, message: str, text: str, word: Word | None = None) -> None:
        where = f"at {word.text!r} (column {word.at + 1})" if word is not None else "at its end"
        shown = text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "..."
        super().__init__(f"filter {shown!r}: {where}: {message}")


@dataclass(frozen=True, slots=True)
class Word:
    """A word and where it begins."""

    text: str
    at: int


def cut(text: str) -> list[Word]:
    """Return the words of *text*; raises FilterError for what is none."""
    if len(text) > TEXT_MAX:
        raise FilterError(f"longer than {TEXT_MAX} characters", text)
    words, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _WORD.match(text, at)
        if match is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            raise FilterError("no word of a filter", text, Word(text[start], start))
        kind = match.lastgroup
        assert kind is not None
        words.append(Word(match[kind], match.start(kind)))
        at = match.end()
    return words


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return which word was perhaps meant."""
    near = difflib.get_close_matches(word.lower(), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
