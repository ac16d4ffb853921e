"""getopt(3) for applets: `-abc value --long value`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class BadUsage(ValueError):
    """A command line that the applet refuses."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Options with their values (the last one wins), and operands."""

    options: Mapping[str, str]
    all_values: Mapping[str, list[str]]
    operands: tuple[str, ...]

    def __contains__(self, option: str) -> bool:
        return option in self.options

    def value(self, option: str, default: str = "") -> str:
        """Return an option's value."""
        return self.options.get(option, default)

    def number(self, option: str, default: float) -> float:
        """Return an option's value as a number; raises BadUsage."""
        text = self.options.get(option)
        try:
            return default if text is None else float(text)
        except ValueError:
            raise BadUsage(f"invalid number '{text}'") from None


def parse(
    words: Sequence[str], options: str, long_options: Mapping[str, str] | None = None
) -> Arguments:
    """Read *words*: *options* is getopt's string, *long_options* maps `name` or `name=` to it.

    A long option that ends in `=` takes a value. Raises BadUsage.
    """
    values: dict[str, list[str]] = {}
    operands: list[str] = []
    rest = list(words)
    long_options = long_options or {}
    while rest:
        word = rest.pop(0)
        if word == "--":
            operands += rest
            break
        if word.startswith("--"):
            _long(word[2:], rest, long_options, values)
        elif word.startswith("-") and len(word) > 1:
            _short(word[1:], rest, options, values)
        else:
            operands.append(word)
    return Arguments({k: v[-1] for k, v in values.items()}, values, tuple(operands))


def _short(flags: str, rest: list[str], options: str, values: dict[str, list[str]]) -> None:
    for index, flag in enumerate(flags):
        at = options.find(flag)
        if at < 0 or flag == ":":
            raise BadUsage(f"unrecognized option: {flag}")
        if options[at + 1 : at + 2] != ":":
            values.setdefault(flag, []).append("")
            continue
        value = flags[index + 1 :]
        if not value:
            if not rest:
                raise BadUsage(f"option requires an argument: {flag}")
            value = rest.pop(0)
        values.setdefault(flag, []).append(value)
        return


def _long(
    word: str, rest: list[str], long_options: Mapping[str, str], values: dict[str, list[str]]
) -> None:
    name, equals, value = word.partition("=")
    if f"{name}=" in long_options:
        if not equals:
            if not rest:
                raise BadUsage(f"option requires an argument: {name}")
            value = rest.pop(0)
        values.setdefault(long_options[f"{name}="], []).append(value)
    elif name in long_options:
        values.setdefault(long_options[name], []).append("")
    else:
        raise BadUsage(f"unrecognized option: {name}")
