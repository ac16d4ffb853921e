"""Paths as regular expressions: RE2's, whose time grows with the path's length and no faster.

Whoever may write an Ingress chooses the expression and whoever may ask chooses the path, so an
engine that tries alternatives one after the other (PCRE's, Python's) lets the two stop everybody's
requests. Octets are compared, as nginx does, without case. What needs memory of what was matched
is refused: lookaround, back-references, possessive groups, more than 1,000 repetitions.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Protocol, cast

#: A regular expression of a path that is longer is not compiled.
OCTETS_MAX: Final = 1024
#: What an expression's automaton may take; what has more states is matched more slowly, in bounds.
MEMORY_OCTETS_MAX: Final = 1 << 20
#: Expressions that are kept compiled from one table to the next.
_KEPT_MAX: Final = 1024


class BadPattern(Exception):
    """A path that is no regular expression."""


class _Match(Protocol):
    def groups(self) -> tuple[bytes | None, ...]: ...


class _Compiled(Protocol):
    def match(self, text: bytes) -> _Match | None: ...


class Pattern:
    """A regular expression that a path is matched with from its beginning."""

    __slots__ = ("_compiled",)

    def __init__(self, text: str) -> None:
        octets = text.encode("utf-8", "surrogateescape")
        if len(octets) > OCTETS_MAX:
            raise BadPattern(f"a regular expression has at most {OCTETS_MAX} octets")
        self._compiled = _compile(octets)

    def fits(self, path: str) -> bool:
        """Tell whether *path* begins with what is meant."""
        return self._compiled.match(path.encode("utf-8", "surrogateescape")) is not None

    def groups(self, path: str) -> tuple[bytes, ...] | None:
        """Return what the groups stand for, b"" for those without a part; None: no match."""
        found = self._compiled.match(path.encode("utf-8", "surrogateescape"))
        return None if found is None else tuple(each or b"" for each in found.groups())


@lru_cache(_KEPT_MAX)
def _compile(octets: bytes) -> _Compiled:
    import re2  # Most controllers never see an expression: 1 MB, 8 ms.

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = False
    options.max_mem = MEMORY_OCTETS_MAX
    options.log_errors = False
    try:
        return cast(_Compiled, re2.compile(octets, options))
    except re2.error as error:
        (reason,) = error.args
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise BadPattern(text) from None
