"""What is done about Secrets of accounts, case by case (upstream: tokens_controller_test.go).

Upstream's cases of accounts that got a Secret by themselves ended with 1.24.
"""

from __future__ import annotations

import base64
import copy

import msgspec
import pytest

from controlplane.controllermanager.serviceaccounttoken.plan import (
    Delete,
    Fill,
    filled,
    owner_of,
    plan,
    signer,
    without_reference,
)
from controlplane.jwt import SigningKey
from podwire.cluster import pki

CA = "CA Data"
ACCOUNT = {"metadata": {"name": "default", "namespace": "default", "uid": "12345"}}
STRANGER = {"metadata": {"name": "default", "namespace": "default", "uid": "54321"}}


def b64(text):
    return base64.b64encode(text.encode()).decode()


def secret(*, uid="12345", without=(), **data):
    annotations = {"kubernetes.io/service-account.name": "default", "mine": "stays"}
    if uid:
        annotations["kubernetes.io/service-account.uid"] = uid
    held = {"token": b64("ABC"), "ca.crt": b64(CA), "namespace": b64("default"), **data}
    return {
        "metadata": {"name": "s", "namespace": "default", "annotations": annotations},
        "type": "kubernetes.io/service-account-token",
        "data": {key: text for key, text in held.items() if key not in without},
    }


EMPTY = {"without": ("token", "ca.crt", "namespace")}


@pytest.mark.parametrize(
    ("secret", "account", "step"),
    [
        (secret(), ACCOUNT, None),
        (secret(uid=""), ACCOUNT, None),
        (secret(without=("token",)), ACCOUNT, Fill(("token",))),
        (secret(token=""), ACCOUNT, Fill(("token",))),
        (secret(without=("ca.crt",)), ACCOUNT, Fill(("ca.crt",))),
        (secret(**{"ca.crt": b64("another")}), ACCOUNT, Fill(("ca.crt",))),
        (secret(without=("namespace",)), ACCOUNT, Fill(("namespace",))),
        (secret(namespace=b64("custom")), ACCOUNT, None),
        (secret(**EMPTY), ACCOUNT, Fill(("ca.crt", "namespace", "token"))),
        (secret(**EMPTY, uid=""), ACCOUNT, Fill(("ca.crt", "namespace", "token"))),
        (secret(), None, Delete()),
        (secret(uid=""), None, Delete()),
        (secret(), STRANGER, Delete()),
        (secret(**EMPTY), STRANGER, Delete()),
    ],
    ids=[
        "a token", "a token, by name", "no token", "an empty token", "no ca", "another ca",
        "no namespace", "another namespace", "nothing", "nothing, by name", "no account",
        "no account, by name", "another account", "nothing, and another account",
    ],
)  # fmt: skip
def test_what_is_to_be_done(secret, account, step):
    assert plan(secret, account, CA) == step


def test_without_an_authority_none_is_written():
    assert plan(secret(without=("ca.crt",)), ACCOUNT, "") is None


def test_a_secret_is_filled_and_keeps_the_rest():
    old = secret(**EMPTY, uid="", extra=b64("mine"))
    before = copy.deepcopy(old)
    new = filled(old, ACCOUNT, Fill(("ca.crt", "namespace", "token")), CA, lambda *_: "T")
    assert old == before
    assert new["data"] == {
        "ca.crt": b64(CA), "namespace": b64("default"), "token": b64("T"), "extra": b64("mine"),
    }  # fmt: skip
    assert new["metadata"]["annotations"] == {
        "kubernetes.io/service-account.name": "default",
        "kubernetes.io/service-account.uid": "12345",
        "mine": "stays",
    }


def test_only_what_is_lacking_is_made():
    new = filled(secret(without=("ca.crt",)), ACCOUNT, Fill(("ca.crt",)), CA, lambda *_: "T")
    assert new["data"]["token"] == b64("ABC")


def test_an_account_forgets_a_secret_that_is_gone():
    both = {**ACCOUNT, "secrets": [{"name": "a"}, {"name": "s"}]}
    assert without_reference(both, "s") == {**ACCOUNT, "secrets": [{"name": "a"}]}
    assert without_reference(both, "z") is None
    assert without_reference(ACCOUNT, "s") is None
    assert owner_of(secret()) == "default/default"


def test_tokens_are_signed_with_the_key_of_the_file(tmp_path):
    pki.write_signing_key(tmp_path / "sa.key", tmp_path / "sa.pub")
    token = signer(str(tmp_path / "sa.key"))(ACCOUNT, secret())
    key = SigningKey.load((tmp_path / "sa.key").read_bytes())
    claims = msgspec.json.decode(key.verify(token))
    assert claims["sub"] == "system:serviceaccount:default:default"
    assert claims["kubernetes.io/serviceaccount/secret.name"] == "s"
