"""Service account tokens for volumes (pkg/kubelet/token/token_manager.go).

One for each account, audience, duration and pod, asked for again when 80 % of its life is over;
as long as it has not expired, one that could not be renewed still serves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from componentbase.clock import parse_rfc3339
from kubeapi.client import RestClient, Unreachable
from kubeapi.objects import Object
from kubeapi.resources import SERVICEACCOUNTS
from kubeapi.status import StatusError
from nodeagent.kubelet.references import ConfigError
from nodeagent.kubelet.volumes.payload import TokenKey

log = logging.getLogger(__name__)

_RENEW_AT: Final = 0.8


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its life (Unix seconds)."""

    text: str
    began: float
    expires: float

    def due(self, now: float) -> bool:
        """Tell whether it is time for the next one."""
        return now >= self.began + _RENEW_AT * (self.expires - self.began)


class TokenManager:
    """The tokens of this node's pods. *wall* tells Unix seconds."""

    def __init__(self, client: RestClient, wall: Callable[[], float]) -> None:
        self._client, self._wall = client, wall
        self._tokens: dict[TokenKey, Token] = {}

    async def token(self, key: TokenKey) -> str:
        """Return a token that lives; raises ConfigError when none is to be had."""
        known, now = self._tokens.get(key), self._wall()
        if known is not None and not known.due(now):
            return known.text
        try:
            self._tokens[key] = fetched = await self._ask(key)
        except (StatusError, Unreachable) as error:
            if known is not None and now < known.expires:
                log.warning("token of %s/%s: %s", key.namespace, key.account, error)
                return known.text
            raise ConfigError(f"failed to fetch token: {error}") from None
        return fetched.text

    async def _ask(self, key: TokenKey) -> Token:
        began = self._wall()
        answer = await self._client.create(
            SERVICEACCOUNTS, _request(key), key.namespace, subresource="token", name=key.account
        )
        status = answer["status"]
        expires = parse_rfc3339(status["expirationTimestamp"])
        return Token(str(status["token"]), began, expires)

    def forget(self, pod_uid: str) -> None:
        """Forget the tokens of a pod that is gone."""
        for key in [key for key in self._tokens if key.pod_uid == pod_uid]:
            del self._tokens[key]


def _request(key: TokenKey) -> Object:
    bound = {"apiVersion": "v1", "kind": "Pod", "name": key.pod_name, "uid": key.pod_uid}
    spec: Object = {"expirationSeconds": key.expiration_s, "boundObjectRef": bound}
    if key.audience:
        spec["audiences"] = [key.audience]
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
