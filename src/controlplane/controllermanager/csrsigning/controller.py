"""Signs approved requests to Kubernetes' own signers (upstream: csr-signing controller).

A request that its signer may not sign gets the condition Failed. Absent: the signer
kubernetes.io/legacy-unknown, which this version of the API does not take.
"""

from __future__ import annotations

import base64
import logging
from typing import Final

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.csrsigning.authority import Authority, duration_s
from controlplane.controllermanager.csrsigning.request import SIGNERS, BadRequest, check, read
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, condition, key_of
from kubeapi.resources import CERTIFICATESIGNINGREQUESTS
from kubeapi.status import StatusError, is_not_found

log = logging.getLogger(__name__)

_WORKERS: Final = 1


def is_wanted(request: Object) -> bool:
    """Tell whether a certificate is to be made: approved, not denied, not failed, not there."""
    kinds = [each.get("type") for each in (request.get("status") or {}).get("conditions") or ()]
    return (
        "Approved" in kinds
        and "Denied" not in kinds
        and "Failed" not in kinds
        and not (request.get("status") or {}).get("certificate")
        and (request.get("spec") or {}).get("signerName") in SIGNERS
    )


def failed(request: Object, why: str, now_text: str) -> Object:
    """Return *request* with the condition that says that it cannot be signed."""
    status = request.get("status") or {}
    row = {
        "type": "Failed",
        "status": "True",
        "reason": "SignerValidationFailure",
        "message": why,
        "lastUpdateTime": now_text,
    }
    return {**request, "status": {**status, "conditions": [*status.get("conditions", ()), row]}}


class CsrSigning:
    """Requests in, certificates out."""

    def __init__(self, context: Context) -> None:
        self._client, self._context = context.client, context
        self._authority: Authority = context.authority
        self._queue: WorkQueue[str] = WorkQueue("certificate")
        self._requests = context.informer(CERTIFICATESIGNINGREQUESTS)
        self._requests.add_handler(
            on_add=lambda new: self._queue.add(key_of(new)),
            on_update=lambda _old, new: self._queue.add(key_of(new)),
        )

    async def run(self) -> None:
        await self._requests.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    async def _reconcile(self, name: str) -> None:
        request = self._requests.get(name)
        if request is None or not self._authority.can_sign or not is_wanted(request):
            return
        assert condition(request, "Approved") is not None
        try:
            signed = self._signed(request)
        except BadRequest as error:
            signed = failed(request, str(error), self._context.now_text())
        except (OSError, ValueError) as error:
            log.error("the cluster's authority cannot sign: %s", error)
            return
        try:
            await self._client.update(CERTIFICATESIGNINGREQUESTS, signed, subresource="status")
        except StatusError as error:
            if not is_not_found(error):
                raise

    def _signed(self, request: Object) -> Object:
        spec, asked = request["spec"], read(request)
        usages = spec.get("usages") or ()
        check(spec["signerName"], asked, usages)
        lasts_s = duration_s(spec.get("expirationSeconds"))
        pem = self._authority.sign(asked, usages, lasts_s, self._context.wall())
        certificate = base64.b64encode(pem).decode()
        return {**request, "status": {**request["status"], "certificate": certificate}}
