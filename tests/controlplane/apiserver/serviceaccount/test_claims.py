"""A token counts while its time and all that it is bound to last."""

from __future__ import annotations

import base64

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from controlplane.apiserver.serviceaccount.claims import MOUNTED_S, TokenAuthority, Wanted
from controlplane.jwt import BoundObjectGone, InvalidToken, SigningKey
from controlplane.legacy_token import INVALID_SINCE, LegacyClaims, claims_of
from kubeapi.resources import NODES, PODS, SECRETS, SERVICEACCOUNTS

ISSUER = "https://kubernetes.default.svc.cluster.local"
NOW = 1_000_000.0
YEAR_S = 365 * 24 * 3600


def named(name: str, uid: str, **metadata: str) -> dict[str, object]:
    return {"metadata": {"name": name, "uid": uid, **metadata}}


ACCOUNT, POD, NODE = named("web", "u-account"), named("web-1", "u-pod"), named("n1", "u-node")


@pytest.fixture
def authority() -> TokenAuthority:
    return TokenAuthority(SigningKey(ec.generate_private_key(ec.SECP256R1())), ISSUER)


def issue(authority, *, audiences=(ISSUER,), duration_s=3600, bound=(PODS, POD)):
    wanted = Wanted(
        namespace="shop", account=ACCOUNT, audiences=audiences, duration_s=duration_s,
        bound=bound, node=NODE if bound else None,
    )  # fmt: skip
    return authority.issue(wanted, "jti-1", NOW)


def lookup(**changed):
    objects = {SERVICEACCOUNTS: ACCOUNT, PODS: POD, NODES: NODE} | {
        {"account": SERVICEACCOUNTS, "pod": PODS, "node": NODES}[name]: obj
        for name, obj in changed.items()
    }
    return lambda resource, namespace, name: objects[resource]


def test_a_token_stands_for_its_account(authority):
    user = authority.judge(issue(authority), lookup(), NOW)
    assert user.name == "system:serviceaccount:shop:web"
    assert user.groups == (
        "system:serviceaccounts",
        "system:serviceaccounts:shop",
        "system:authenticated",
    )
    assert user.uid == "u-account"
    assert dict(user.extra) == {
        "authentication.kubernetes.io/credential-id": "JTI=jti-1",
        "authentication.kubernetes.io/pod-name": "web-1",
        "authentication.kubernetes.io/pod-uid": "u-pod",
        "authentication.kubernetes.io/node-name": "n1",
        "authentication.kubernetes.io/node-uid": "u-node",
    }


@pytest.mark.parametrize("after_s", [-61, 3661])
def test_a_token_has_its_time(authority, after_s):
    token = issue(authority)
    authority.judge(token, lookup(), NOW)
    with pytest.raises(InvalidToken, match="expired"):
        authority.judge(token, lookup(), NOW + after_s)


def test_a_mounted_token_lasts_a_year(authority):
    token = issue(authority, duration_s=MOUNTED_S)
    assert authority.judge(token, lookup(), NOW + YEAR_S)
    with pytest.raises(InvalidToken):
        authority.judge(token, lookup(), NOW + YEAR_S + 61)


@pytest.mark.parametrize("audiences", [("vault",), ()])
def test_a_token_for_others_is_none_of_ours(authority, audiences):
    with pytest.raises(InvalidToken, match="somebody else"):
        authority.judge(issue(authority, audiences=audiences), lookup(), NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"account": None},
        {"account": named("web", "another")},
        {"pod": None},
        {"pod": named("web-1", "another")},
        {"pod": named("web-1", "u-pod", deletionTimestamp="1970-01-12T13:45:00Z")},
    ],
)
def test_a_token_dies_with_what_it_is_bound_to(authority, changed):
    token = issue(authority)
    with pytest.raises(BoundObjectGone):
        authority.judge(token, lookup(**changed), NOW)


def test_a_pod_that_ends_keeps_its_token_for_a_minute(authority):
    ending = named("web-1", "u-pod", deletionTimestamp="1970-01-12T13:46:10Z")
    assert authority.judge(issue(authority), lookup(pod=ending), NOW)


def test_a_pods_token_outlives_its_node_and_one_of_a_node_does_not(authority):
    assert authority.judge(issue(authority), lookup(node=None), NOW)
    of_node = issue(authority, bound=(NODES, NODE))
    assert authority.judge(of_node, lookup(), NOW)
    with pytest.raises(BoundObjectGone):
        authority.judge(of_node, lookup(node=None), NOW)


def test_a_stranger_makes_us_remember_nothing(authority):
    for number in range(10):
        with pytest.raises(InvalidToken):
            authority.judge(f"a.b.{number}", lookup(), NOW)
    assert not authority._verified


SIGNER = SigningKey(ec.generate_private_key(ec.SECP256R1()))
OWNER = {"metadata": {"namespace": "shop", "name": "web", "uid": "u-account"}}
HOLDER = {"metadata": {"namespace": "shop", "name": "web-token"}}
LEGACY = SIGNER.sign(msgspec.json.encode(claims_of(OWNER, HOLDER)))
HELD = {**HOLDER, "data": {"token": base64.b64encode(LEGACY.encode()).decode()}}
DATE = "1970-01-01T00:00:00Z"


def judge_legacy(account=OWNER, secret=HELD, token=LEGACY, **more):
    objects = {SERVICEACCOUNTS: account, SECRETS: secret}
    authority = TokenAuthority(SIGNER, ISSUER)
    return authority.judge(token, lambda resource, *_: objects[resource], NOW, **more)


def test_a_token_of_a_secret_stands_for_its_account_for_ever():
    user = judge_legacy(audiences=("vault", ISSUER))
    assert (user.name, user.uid) == ("system:serviceaccount:shop:web", "u-account")
    assert user.groups[1] == "system:serviceaccounts:shop"
    assert TokenAuthority(SIGNER, ISSUER).audiences_of(LEGACY) == [ISSUER]
    with pytest.raises(InvalidToken, match="API server"):
        judge_legacy(audiences=("vault",))


@pytest.mark.parametrize(
    "changed",
    [
        {"account": None},
        {"account": {"metadata": {**OWNER["metadata"], "uid": "another"}}},
        {"account": {"metadata": {**OWNER["metadata"], "deletionTimestamp": DATE}}},
        {"secret": None},
        {"secret": HOLDER},
        {"secret": {**HOLDER, "data": {"token": "!"}}},
        {"secret": {**HOLDER, "data": {"token": base64.b64encode(b"another").decode()}}},
        {"secret": {**HELD, "metadata": {**HOLDER["metadata"], "deletionTimestamp": DATE}}},
        {"secret": {**HELD, "metadata": {**HOLDER["metadata"], "labels": {INVALID_SINCE: "x"}}}},
        {"token": LEGACY[:-8] + "AAAAAAAA"},
        {"token": SIGNER.sign(b'{"iss":"kubernetes/serviceaccount","sub":"x"}')},
        {"token": SIGNER.sign(b'{"iss":5}')},
        {"token": SIGNER.sign(b"[]")},
    ],
)
def test_a_token_of_a_secret_dies_with_what_it_names(changed):
    with pytest.raises(InvalidToken):
        judge_legacy(**changed)


def test_what_a_token_of_a_secret_says_is_upstreams():
    said = msgspec.json.decode(msgspec.json.encode(claims_of(OWNER, HOLDER)))
    assert said == {
        "iss": "kubernetes/serviceaccount",
        "sub": "system:serviceaccount:shop:web",
        "kubernetes.io/serviceaccount/namespace": "shop",
        "kubernetes.io/serviceaccount/secret.name": "web-token",
        "kubernetes.io/serviceaccount/service-account.name": "web",
        "kubernetes.io/serviceaccount/service-account.uid": "u-account",
    }
    assert msgspec.convert(said, LegacyClaims) == claims_of(OWNER, HOLDER)
