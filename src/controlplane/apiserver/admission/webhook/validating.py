"""ValidatingAdmissionWebhook: webhooks judge what is written, all at once."""

from __future__ import annotations

import asyncio

from controlplane.apiserver.admission.attributes import Attributes, Operation, Validating
from controlplane.apiserver.admission.matching import EXEMPT
from controlplane.apiserver.admission.webhook.asking import Asking
from controlplane.apiserver.admission.webhook.hooks import Hook, Hooks
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.resources import VALIDATINGWEBHOOKCONFIGURATIONS
from kubeapi.status import StatusError


class ValidatingAdmissionWebhook(Validating):
    """Asks every webhook; of several refusals the first by configuration is told."""

    name = "ValidatingAdmissionWebhook"

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._hooks = Hooks(asking.cacher, VALIDATINGWEBHOOKCONFIGURATIONS)

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        return kind.resource not in EXEMPT

    async def validate(self, attributes: Attributes) -> None:
        hooks = self._hooks.all()
        if not hooks:
            return
        concerned: list[tuple[Hook, Kind]] = []
        for hook in hooks:
            kind = await self._asking.concerned(hook, attributes)
            if kind is not None:
                concerned.append((hook, kind))
        results = await asyncio.gather(
            *(self._refusal(hook, attributes, kind) for hook, kind in concerned)
        )
        for error in results:
            if error is not None:
                raise error

    async def _refusal(self, hook: Hook, attributes: Attributes, kind: Kind) -> StatusError | None:
        try:
            await self._asking.ask(hook, attributes, kind, mutating=False)
        except StatusError as error:
            return error
        return None
