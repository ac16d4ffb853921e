"""Bootstrap tokens (upstream: plugin/pkg/auth/authenticator/token/bootstrap's cases by name)."""

from __future__ import annotations

import base64

import pytest

from controlplane.bootstrap_token import SECRET_TYPE, expires_at, groups_of, split

ID, SHOWN = "foobar", "0123456789abcdef"
NOW = 1_700_000_000.0
GROUP = "system:bootstrappers"


def secret(name=f"bootstrap-token-{ID}", kind=SECRET_TYPE, deleted="", **data):
    said = {
        "token-id": ID,
        "token-secret": SHOWN,
        "usage-bootstrap-authentication": "true",
        **{key.replace("_", "-"): value for key, value in data.items()},
    }
    metadata = {"name": name, **({"deletionTimestamp": deleted} if deleted else {})}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in said.items()}
    return {"metadata": metadata, "type": kind, "data": encoded}


@pytest.mark.parametrize(
    ("name", "secret", "groups"),
    [
        ("valid token", secret(), (GROUP,)),
        (
            "valid token with additional group",
            secret(auth_extra_groups="system:bootstrappers:foo,system:bootstrappers:foo"),
            (GROUP, "system:bootstrappers:foo"),
        ),
        ("invalid group", secret(auth_extra_groups="foo"), None),
        ("invalid secret name", secret(name="bad-name"), None),
        ("deleted token", secret(deleted="2020-01-01T00:00:00Z"), None),
        ("expired token", secret(expiration="2009-11-10T23:00:00Z"), None),
        ("not expired token", secret(expiration="2100-11-10T23:00:00Z"), (GROUP,)),
        ("a date that is none", secret(expiration="soon"), None),
        ("wrong token id", secret(token_id="barfoo"), None),
        ("wrong secret", secret(token_secret="x" * 16), None),
        ("no usage", secret(usage_bootstrap_authentication="false"), None),
        ("wrong secret type", secret(kind="Opaque"), None),
        ("data that is no base64", secret() | {"data": {"token-id": "!"}}, None),
    ],
)
def test_bootstrap_tokens(name, secret, groups):
    assert groups_of(secret, ID, SHOWN, NOW) == groups, name


def test_what_looks_like_one():
    assert split(f"{ID}.{SHOWN}") == (ID, SHOWN)
    for text in ("", ID, f"{ID}.{SHOWN}x", f"{ID.upper()}.{SHOWN}", f"{ID}.{SHOWN}\n"):
        assert split(text) is None


def test_when_it_ends():
    assert expires_at(secret()) is None
    assert expires_at(secret(expiration="1970-01-01T00:01:00Z")) == 60
    assert expires_at(secret(expiration="x")) == 0
