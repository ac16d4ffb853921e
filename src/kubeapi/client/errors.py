"""What is raised when no answer comes; an answer that says no is a `StatusError`."""

from __future__ import annotations


class Unreachable(Exception):
    """The server gave no answer: refused, reset, timed out, or spoke no HTTP."""
