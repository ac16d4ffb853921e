from __future__ import annotations

import base64

from controlplane import bootstrap_token
from podwire.cluster import joining

_NOW = 1_700_000_000.0


def _stored(secret):
    """Return the Secret as the API server keeps it."""
    data = {
        key: base64.b64encode(text.encode()).decode() for key, text in secret["stringData"].items()
    }
    return {**secret, "data": data}


def test_a_token_is_one_and_ends():
    token = joining.new_token()
    token_id, shown = bootstrap_token.split(token)
    stored = _stored(joining.secret(token, _NOW))
    groups = bootstrap_token.groups_of(stored, token_id, shown, _NOW)
    assert groups == (
        "system:bootstrappers",
        "system:bootstrappers:kubeadm:default-node-token",
    )
    assert bootstrap_token.groups_of(stored, token_id, shown, _NOW + 3601) is None
    assert bootstrap_token.groups_of(stored, token_id, "x" * 16, _NOW) is None


def test_no_two_tokens_are_the_same():
    assert len({joining.new_token() for _ in range(50)}) == 50
