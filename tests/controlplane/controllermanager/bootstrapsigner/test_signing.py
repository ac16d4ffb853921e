"""Signatures of cluster-info (upstream: cluster-bootstrap/token/jws/jws_test.go)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from hypothesis import given
from hypothesis import strategies as st

from controlplane.controllermanager.bootstrapsigner.signing import PREFIX, signature, signed


def test_the_signature_that_upstream_makes():
    """Upstream's content, id, secret and result."""
    content = "Hello from the other side. I must have called a thousand times."
    assert signature(content, "joshua", "my voice is my passcode") == (
        "eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8"
    )


@given(content=st.text(), secret=st.text(min_size=1))
def test_who_has_the_token_can_check_it(content, secret):
    protected, empty, shown = signature(content, "abcdef", secret).split(".")
    padded = shown + "=" * (-len(shown) % 4)
    payload = base64.urlsafe_b64encode(content.encode()).rstrip(b"=").decode()
    digest = hmac.new(secret.encode(), f"{protected}.{payload}".encode(), hashlib.sha256).digest()
    assert (empty, base64.urlsafe_b64decode(padded)) == ("", digest)
    header = base64.urlsafe_b64decode(protected + "=" * (-len(protected) % 4))
    assert json.loads(header) == {"alg": "HS256", "kid": "abcdef"}


def test_signatures_follow_the_tokens():
    data = {"kubeconfig": "payload", "other": "x"}
    first = signed(data, {"abcdef": "s"})
    assert first[f"{PREFIX}abcdef"] == signature("payload", "abcdef", "s")
    assert signed(first, {"abcdef": "s"}) == first
    assert signed(first, {}) == data
    assert signed({"other": "x"}, {"abcdef": "s"}) == {"other": "x"}
