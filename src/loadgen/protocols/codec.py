"""The interface that a protocol has towards the load generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer: its error kind ("" for none), who gave it, whether to ask there again."""

    error: str = ""
    backend: str = ""
    keep: bool = True


class Codec(Protocol):
    """One connection's side of a protocol; it asks one thing at a time."""

    def request(self) -> bytes:
        """Return the octets of the next request."""

    def feed(self, octets: bytes) -> Answer | None:
        """Take octets (of a datagram protocol: a datagram); return the answer when it is whole.

        Raises loadgen.http1.BadResponse for octets that make no sense.
        """

    def end(self) -> Answer | None:
        """The stream has ended: return the answer if that is how it ends. Raises BadResponse."""

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing of an answer has come."""
