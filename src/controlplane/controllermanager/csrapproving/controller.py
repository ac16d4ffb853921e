"""Approves kubelets' requests for client certificates (upstream: csr-approving, sarapprove.go).

For itself, when it renews (`selfnodeclient`), or for any node, when it joins (`nodeclient`): who
asks must have that right, which a SubjectAccessReview tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.csrsigning.request import (
    KUBELET_CLIENT,
    BadRequest,
    check_kubelet_client,
    read,
)
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, key_of
from kubeapi.resources import CERTIFICATESIGNINGREQUESTS, SUBJECTACCESSREVIEWS
from kubeapi.status import StatusError, is_not_found

_WORKERS: Final = 1
_SELF: Final = "Auto approving self kubelet client certificate after SubjectAccessReview."
_ANY: Final = "Auto approving kubelet client certificate after SubjectAccessReview."


def rights(request: Object) -> Iterator[tuple[str, str]]:
    """Return what who asks must have one of, by subresource, and what is said on approval."""
    spec = request.get("spec") or {}
    if spec.get("signerName") != KUBELET_CLIENT:
        return
    try:
        asked = read(request)
        check_kubelet_client(asked, spec.get("usages") or ())
    except BadRequest:
        return
    if spec.get("username") == asked.common_name:
        yield "selfnodeclient", _SELF
    yield "nodeclient", _ANY


def is_open(request: Object) -> bool:
    """Tell whether nobody has decided yet."""
    status = request.get("status") or {}
    kinds = [each.get("type") for each in status.get("conditions") or ()]
    return not status.get("certificate") and "Approved" not in kinds and "Denied" not in kinds


def review(request: Object, subresource: str) -> Object:
    """Return the question whether who asks may."""
    spec = request["spec"]
    who = {key: spec[key] for key in ("uid", "groups", "extra") if spec.get(key)}
    asked = {
        "group": "certificates.k8s.io",
        "resource": "certificatesigningrequests",
        "subresource": subresource,
        "verb": "create",
        "version": "*",
    }
    return {"spec": {"user": spec.get("username") or "", **who, "resourceAttributes": asked}}


def approved(request: Object, message: str, now_text: str) -> Object:
    """Return *request*, approved."""
    status = request.get("status") or {}
    row = {
        "type": "Approved",
        "status": "True",
        "reason": "AutoApproved",
        "message": message,
        "lastUpdateTime": now_text,
    }
    conditions = [*(status.get("conditions") or ()), row]
    return {**request, "status": {**status, "conditions": conditions}}


class CsrApproving:
    """Requests in, approvals out."""

    def __init__(self, context: Context) -> None:
        self._client, self._context = context.client, context
        self._queue: WorkQueue[str] = WorkQueue("certificate_approver")
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
        if request is None or not is_open(request):
            return None
        for subresource, message in rights(request):
            asked = await self._client.create(SUBJECTACCESSREVIEWS, review(request, subresource))
            if (asked.get("status") or {}).get("allowed"):
                return await self._approve(approved(request, message, self._context.now_text()))
        return None

    async def _approve(self, request: Object) -> None:
        try:
            await self._client.update(CERTIFICATESIGNINGREQUESTS, request, subresource="approval")
        except StatusError as error:
            if not is_not_found(error):
                raise
