"""Command lines of Go programs: `--name=value`, `--name value`, `-name`, and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class BadFlags(ValueError):
    """A command line that the program refuses."""


@dataclass(frozen=True, slots=True)
class Flags:
    """Parsed flags and the words between them."""

    values: Mapping[str, str]
    words: tuple[str, ...]

    def text(self, name: str) -> str:
        """Return a flag's value."""
        return self.values[name]

    def number(self, name: str) -> int:
        """Return a flag's value as a number; raises BadFlags."""
        try:
            return int(self.values[name])
        except ValueError:
            raise BadFlags(f'invalid argument "{self.values[name]}" for "--{name}" flag') from None

    def seconds(self, name: str) -> float:
        """Return a Go duration (`1m30s`, `500ms`) in seconds; raises BadFlags."""
        return duration_s(self.values[name])

    def true(self, name: str) -> bool:
        """Return whether a boolean flag is set."""
        return self.values[name].lower() in ("true", "1", "t")


def parse(arguments: Sequence[str], defaults: Mapping[str, str]) -> Flags:
    """Read *arguments*; a flag whose default is "false" takes no value. Raises BadFlags."""
    values, words = dict(defaults), list[str]()
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            words.append(word)
            continue
        if word == "--":
            words += rest
            break
        name, equals, value = word.lstrip("-").partition("=")
        if name not in defaults:
            raise BadFlags(f"unknown flag: {word}")
        if not equals and defaults[name] in ("true", "false"):
            value = "true"
        elif not equals:
            if not rest:
                raise BadFlags(f"flag needs an argument: {word}")
            value = rest.pop(0)
        values[name] = value
    return Flags(values, tuple(words))


_UNITS = {"ms": 0.001, "us": 1e-6, "ns": 1e-9, "h": 3600.0, "m": 60.0, "s": 1.0}


def duration_s(text: str) -> float:
    """Return a Go duration in seconds; raises BadFlags."""
    total, rest = 0.0, text
    if rest == "0":
        return 0.0
    while rest:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(number) :]
        unit = next((unit for unit in _UNITS if rest.startswith(unit)), None)
        if unit is None or not number or number.count(".") > 1:
            raise BadFlags(f'time: invalid duration "{text}"')
        total += float(number) * _UNITS[unit]
        rest = rest[len(unit) :]
    return total
