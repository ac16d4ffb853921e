"""How many requests the HTTP servers of a container have answered.

A real runtime cannot know that; ours runs the servers, so autoscalers can go by requests of images
that export no metrics. A container that serves no HTTP by our server has no number.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(slots=True)
class Answered:
    """The count of one container; None until a server of its own begins."""

    requests: int | None = None

    def begin(self) -> Answered:
        """Count from now on."""
        self.requests = self.requests or 0
        return self

    def add(self) -> None:
        """Count one answer."""
        assert self.requests is not None
        self.requests += 1


#: Of the container whose code runs; None outside of containers.
ANSWERED: Final[ContextVar[Answered | None]] = ContextVar("answered", default=None)
