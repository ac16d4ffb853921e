"""When a bootstrap token is deleted (upstream: tokencleaner_test.go)."""

from __future__ import annotations

import pytest
from tests.controlplane.test_bootstrap_token import secret

from controlplane.controllermanager.tokencleaner.controller import wait_s


@pytest.mark.parametrize(
    ("secret", "left"),
    [
        (secret(), None),
        (secret(expiration="1970-01-01T00:01:00Z"), -40.0),
        (secret(expiration="1970-01-01T00:02:00Z"), 20.0),
        (secret(expiration="x"), -100.0),
    ],
    ids=["no expiration", "expired", "not expired", "unreadable"],
)
def test_how_long_a_token_holds(secret, left):
    assert wait_s(secret, 100.0) == left
