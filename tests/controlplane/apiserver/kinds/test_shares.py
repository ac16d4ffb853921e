"""Numbers of pods, and shares of them."""

from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.shares import validate_share


@pytest.mark.parametrize(
    ("share", "percent_max", "wrong"),
    [
        (0, 100, ""),
        (-1, 100, "must be greater than or equal to 0"),
        ("100%", 100, ""),
        ("101%", 100, "must not be greater than 100%"),
        ("101%", None, ""),
        ("half", 100, "a valid percent string"),
        ("-5%", 100, "a valid percent string"),
    ],
)
def test_shares_are_judged_as_upstream_does(share, percent_max, wrong):
    found = [cause.message for cause in validate_share(share, "spec.x", percent_max=percent_max)]
    assert [wrong in message for message in found] == ([True] if wrong else [])
