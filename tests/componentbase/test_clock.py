"""Times as Kubernetes writes them."""

from __future__ import annotations

import pytest

from componentbase import clock


def test_times_are_written_and_read_back() -> None:
    assert clock.rfc3339(0) == "1970-01-01T00:00:00Z"
    assert clock.rfc3339_micro(1.5) == "1970-01-01T00:00:01.500000Z"
    assert clock.parse_rfc3339("1970-01-01T00:00:01.500000Z") == 1.5
    assert clock.parse_rfc3339("1970-01-01T01:00:00+01:00") == 0


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-01", "2026-01-01T00:00:00"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        clock.parse_rfc3339(text)
