"""The token that lies in a Secret: what it says (upstream: pkg/serviceaccount/legacy.go).

It names its account and the Secret, and no time: it counts as long as both are there and the
Secret still holds it. The controller manager makes such tokens, and the API server judges them.
"""

from __future__ import annotations

from typing import Final

import msgspec

from kubeapi.objects import Object, name_of, namespace_of, uid_of

SECRET_TYPE: Final = "kubernetes.io/service-account-token"
#: Annotations of the Secret: whose it is.
ACCOUNT_NAME: Final = "kubernetes.io/service-account.name"
ACCOUNT_UID: Final = "kubernetes.io/service-account.uid"
#: A label of a Secret whose token counts no longer (upstream: the legacy token cleaner).
INVALID_SINCE: Final = "kubernetes.io/legacy-token-invalid-since"
#: Keys of the Secret's data.
TOKEN, ROOT_CA, NAMESPACE = "token", "ca.crt", "namespace"
ISSUER: Final = "kubernetes/serviceaccount"
_CLAIM: Final = "kubernetes.io/serviceaccount/"


class LegacyClaims(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that such a token says."""

    iss: str
    sub: str
    namespace: str = msgspec.field(name=f"{_CLAIM}namespace")
    secret: str = msgspec.field(name=f"{_CLAIM}secret.name")
    account: str = msgspec.field(name=f"{_CLAIM}service-account.name")
    account_uid: str = msgspec.field(name=f"{_CLAIM}service-account.uid")


def claims_of(account: Object, secret: Object) -> LegacyClaims:
    """Return what the token of *account* in *secret* says."""
    namespace, name = namespace_of(account), name_of(account)
    return LegacyClaims(
        iss=ISSUER,
        sub=f"system:serviceaccount:{namespace}:{name}",
        namespace=namespace,
        secret=name_of(secret),
        account=name,
        account_uid=uid_of(account),
    )
