"""What a fuzz target is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A parser: what to call, what it may raise, octets to begin with, and what to instrument."""

    run: Callable[[bytes], object]
    packages: tuple[str, ...]
    seeds: Sequence[bytes] = ()
    #: The parser's own errors. Everything else is a finding.
    may_raise: tuple[type[Exception], ...] = ()

    def __call__(self, octets: bytes) -> None:
        """Run; raises what is a finding."""
        try:
            self.run(octets)
        except self.may_raise:
            pass
