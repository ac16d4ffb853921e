"""Time zones by the names of the IANA's: the system's files, or where it has none PyPI's tzdata.

tzdata is no dependency: 2.8 MB, and 130 ms for the first zone where the system's take 0.2, for
machines that we know none of (python:slim, which Compose uses, has the system's files).
"""

from __future__ import annotations

from datetime import UTC, tzinfo


class UnknownZone(ValueError):
    """A name that no time zone has; the text says so in Go's words."""


def zone(name: str) -> tzinfo:
    """Return the time zone of this name ("": UTC); raises UnknownZone."""
    if name in ("", "UTC"):
        return UTC
    import zoneinfo  # A megabyte, and most processes never see a time zone.

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownZone(f"unknown time zone {name}") from None
