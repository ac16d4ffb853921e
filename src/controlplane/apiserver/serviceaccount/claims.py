"""What a token says, and whether that still holds (upstream: pkg/serviceaccount/claims.go).

A token names its account, and the object that it is bound to, by uid: with them it dies. Time is
judged with upstream's leeway of a minute. One that lies in a Secret has no time of its own; when it
was last used is not written into the Secret's labels, as upstream does.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from componentbase.clock import parse_rfc3339
from componentbase.decoding import UNREADABLE
from controlplane import legacy_token
from controlplane.apiserver.authn import AUTHENTICATED, User
from controlplane.jwt import BoundObjectGone, InvalidToken, SigningKey
from controlplane.legacy_token import LegacyClaims
from kubeapi.objects import Object, is_being_deleted, labels_of, metadata_of, name_of, uid_of
from kubeapi.resources import NODES, PODS, SECRETS, SERVICEACCOUNTS, Resource

USER_PREFIX: Final = "system:serviceaccount:"
_GROUP: Final = "system:serviceaccounts"
_LEEWAY_S: Final = 60
#: What admission asks for, and how long such a token really lives, since some readers read once
#: (upstream: --service-account-extend-token-expiration).
MOUNTED_S: Final = 3607
_EXTENDED_S: Final = 365 * 24 * 3600
#: Tokens whose signature has been checked are remembered; a signature costs a tenth of a
#: millisecond, and every request of a pod shows one.
_VERIFIED_MAX: Final = 1024

#: Finds the object of a namespace ("" for nodes) by name.
Lookup = Callable[[Resource, str, str], Object | None]


class Reference(msgspec.Struct, frozen=True):
    """One object, for ever."""

    name: str
    uid: str


class Bindings(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claim `kubernetes.io`."""

    namespace: str
    serviceaccount: Reference
    pod: Reference | None = None
    secret: Reference | None = None
    node: Reference | None = None
    warnafter: int = 0


class Claims(msgspec.Struct, frozen=True):
    """Everything that a token of ours says."""

    aud: list[str]
    exp: int
    iat: int
    iss: str
    jti: str
    nbf: int
    sub: str
    bindings: Bindings = msgspec.field(name="kubernetes.io")


class _Issued(msgspec.Struct, frozen=True):
    """What says of which sort a token is."""

    iss: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A token that is asked for, with the objects it is about."""

    namespace: str
    account: Object
    audiences: Sequence[str]
    duration_s: int
    bound: tuple[Resource, Object] | None = None
    node: Object | None = None


class TokenAuthority:
    """Issues tokens and judges those that are shown."""

    def __init__(self, key: SigningKey, issuer: str) -> None:
        self._key, self.issuer = key, issuer
        self._verified: dict[str, Claims | LegacyClaims] = {}

    def documents(self, server: str) -> Mapping[str, tuple[str, Object]]:
        """Return, by path, what OpenID Connect Discovery asks *server* (a URL) for."""
        keys = "/openid/v1/jwks"
        provider: Object = {
            "issuer": self.issuer,
            "jwks_uri": f"{server}{keys}",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }
        return {
            "/.well-known/openid-configuration": ("application/json", provider),
            keys: ("application/jwk-set+json", {"keys": [self._key.web_key()]}),
        }

    def issue(self, wanted: Wanted, token_id: str, now: float) -> str:
        """Return a token as *wanted*."""
        began, lasts = int(now), wanted.duration_s
        extended = lasts == MOUNTED_S and list(wanted.audiences) == [self.issuer]
        bindings = Bindings(
            namespace=wanted.namespace,
            serviceaccount=_reference(wanted.account),
            warnafter=began + lasts if extended else 0,
            **_bound(wanted),
        )
        claims = Claims(
            aud=list(wanted.audiences),
            exp=began + (_EXTENDED_S if extended else lasts),
            iat=began,
            iss=self.issuer,
            jti=token_id,
            nbf=began,
            sub=f"{USER_PREFIX}{wanted.namespace}:{name_of(wanted.account)}",
            bindings=bindings,
        )
        return self._key.sign(msgspec.json.encode(claims))

    def judge(
        self, token: str, lookup: Lookup, now: float, *, audiences: Sequence[str] = ()
    ) -> User:
        """Return whom *token* stands for towards one of *audiences*, by default the API server.

        Raises InvalidToken.
        """
        claims = self._claims(token)
        meant = audiences or (self.issuer,)
        if isinstance(claims, LegacyClaims):
            if self.issuer not in meant:
                raise InvalidToken("the token is meant for the API server")
            return _legacy_user(claims, token, lookup)
        if claims.iss != self.issuer or not any(each in claims.aud for each in meant):
            raise InvalidToken("the token is meant for somebody else")
        if now > claims.exp + _LEEWAY_S or now < claims.nbf - _LEEWAY_S:
            raise InvalidToken("the token has expired, or is not yet valid")
        _check_bindings(claims.bindings, lookup, now)
        return _user(claims)

    def audiences_of(self, token: str) -> Sequence[str]:
        """Return whom a token is meant for; nobody, when it is none of ours."""
        try:
            claims = self._claims(token)
            return claims.aud if isinstance(claims, Claims) else [self.issuer]
        except InvalidToken:
            return ()

    def _claims(self, token: str) -> Claims | LegacyClaims:
        known = self._verified.get(token)
        if known is None:
            try:
                known = _read(self._key.verify(token))
            except UNREADABLE as error:
                raise InvalidToken(f"the claims are not ours: {error}") from None
            if len(self._verified) >= _VERIFIED_MAX:
                del self._verified[next(iter(self._verified))]
            self._verified[token] = known
        return known


def _read(claims: bytes) -> Claims | LegacyClaims:
    issuer = msgspec.json.decode(claims, type=_Issued).iss
    if issuer == legacy_token.ISSUER:
        return msgspec.json.decode(claims, type=LegacyClaims)
    return msgspec.json.decode(claims, type=Claims)


def _legacy_user(claims: LegacyClaims, token: str, lookup: Lookup) -> User:
    """Return whom the token of a Secret stands for; raises InvalidToken."""
    where = claims.namespace
    secret = lookup(SECRETS, where, claims.secret)
    if secret is None or is_being_deleted(secret):
        raise BoundObjectGone(f"{claims.secret} is gone")
    if not hmac.compare_digest(_held(secret), token.encode()):
        raise BoundObjectGone(f"{claims.secret} holds another token")
    if labels_of(secret).get(legacy_token.INVALID_SINCE):
        raise InvalidToken(f"the token of {claims.secret} counts no longer")
    account = lookup(SERVICEACCOUNTS, where, claims.account)
    if account is None or is_being_deleted(account) or uid_of(account) != claims.account_uid:
        raise BoundObjectGone(f"{claims.account} is gone")
    return User(
        f"{USER_PREFIX}{where}:{claims.account}",
        (_GROUP, f"{_GROUP}:{where}", AUTHENTICATED),
        uid=claims.account_uid,
    )


def _held(secret: Object) -> bytes:
    try:
        return base64.b64decode((secret.get("data") or {}).get(legacy_token.TOKEN) or "")
    except binascii.Error:
        return b""


def _reference(obj: Object) -> Reference:
    return Reference(name_of(obj), uid_of(obj))


def _bound(wanted: Wanted) -> dict[str, Reference]:
    found = {} if wanted.node is None else {"node": _reference(wanted.node)}
    if wanted.bound is not None:
        resource, obj = wanted.bound
        found[resource.kind.lower()] = _reference(obj)
    return found


def _check_bindings(bindings: Bindings, lookup: Lookup, now: float) -> None:
    where = bindings.namespace
    _check(
        lookup(SERVICEACCOUNTS, where, bindings.serviceaccount.name), bindings.serviceaccount, now
    )
    for resource, bound in ((PODS, bindings.pod), (SECRETS, bindings.secret)):
        if bound is not None:
            _check(lookup(resource, where, bound.name), bound, now)
    # A pod's token names its node for the record; only one bound to a node dies with that.
    if bindings.node is not None and bindings.pod is None:
        _check(lookup(NODES, "", bindings.node.name), bindings.node, now)


def _check(found: Object | None, named: Reference, now: float) -> None:
    if found is None or uid_of(found) != named.uid:
        raise BoundObjectGone(f"{named.name} is gone")
    ends = metadata_of(found).get("deletionTimestamp")
    if ends and parse_rfc3339(ends) < now - _LEEWAY_S:
        raise BoundObjectGone(f"{named.name} has been deleted")


def _user(claims: Claims) -> User:
    bindings = claims.bindings
    extra = {"authentication.kubernetes.io/credential-id": f"JTI={claims.jti}"}
    for name, bound in (("pod", bindings.pod), ("node", bindings.node)):
        if bound is not None:
            extra[f"authentication.kubernetes.io/{name}-name"] = bound.name
            extra[f"authentication.kubernetes.io/{name}-uid"] = bound.uid
    return User(
        f"{USER_PREFIX}{bindings.namespace}:{bindings.serviceaccount.name}",
        (_GROUP, f"{_GROUP}:{bindings.namespace}", AUTHENTICATED),
        uid=bindings.serviceaccount.uid,
        extra=tuple(extra.items()),
    )
