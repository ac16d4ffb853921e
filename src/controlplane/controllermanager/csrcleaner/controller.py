"""Deletes requests that have had their time (upstream: csr-cleaner controller).

Issued, denied and failed ones an hour after their condition, or when their certificate has ended;
open ones a day after their creation. An approved one without a certificate waits for its signer.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Final

from componentbase.clock import parse_rfc3339
from controlplane.controllermanager.context import Context
from kubeapi.objects import Object, name_of, uid_of
from kubeapi.resources import CERTIFICATESIGNINGREQUESTS
from kubeapi.status import StatusError, is_conflict, is_not_found

_EVERY_S: Final = 600.0
_DECIDED_S: Final = 3600.0
_OPEN_S: Final = 24 * 3600.0


def is_past(request: Object, now: float) -> bool:
    """Tell whether nobody needs *request* any more."""
    conditions = (request.get("status") or {}).get("conditions") or ()
    if not conditions:
        return now - parse_rfc3339(request["metadata"]["creationTimestamp"]) > _OPEN_S
    return any(_is_over(each, request["status"], now) for each in conditions)


def _is_over(condition: Object, status: Object, now: float) -> bool:
    """Tell whether *condition* ends what was asked; who is approved waits for a certificate."""
    since: str = condition.get("lastUpdateTime") or ""
    is_old = bool(since) and now - parse_rfc3339(since) > _DECIDED_S
    if condition.get("type") != "Approved":
        return is_old
    certificate = status.get("certificate") or ""
    return bool(certificate) and (is_old or has_ended(certificate, now))


def has_ended(certificate: str, now: float) -> bool:
    """Tell whether the certificate in this base64 is one that holds no more."""
    from cryptography import x509

    try:
        read = x509.load_pem_x509_certificate(base64.b64decode(certificate, validate=True))
    except ValueError:
        return False
    return now > read.not_valid_after_utc.timestamp()


class CsrCleaner:
    """Looks at all requests now and then."""

    def __init__(self, context: Context) -> None:
        self._client, self._wall = context.client, context.wall
        self._requests = context.informer(CERTIFICATESIGNINGREQUESTS)

    async def run(self) -> None:
        await self._requests.wait_synced()
        while True:
            for request in self._requests.items():
                if is_past(request, self._wall()):
                    await self._delete(request)
            await asyncio.sleep(_EVERY_S)

    async def _delete(self, request: Object) -> None:
        name, uid = name_of(request), uid_of(request)
        try:
            await self._client.delete(CERTIFICATESIGNINGREQUESTS, name, uid=uid)
        except StatusError as error:
            if not (is_not_found(error) or is_conflict(error)):
                raise
