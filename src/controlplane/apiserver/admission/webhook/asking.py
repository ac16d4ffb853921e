"""How a webhook is asked about one write, and what becomes of its answer."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from componentbase.clock import monotonic
from controlplane.apiserver.admission.attributes import Attributes
from controlplane.apiserver.admission.expressions import Authorize, Variables, failed_condition
from controlplane.apiserver.admission.matching import asked_kind
from controlplane.apiserver.admission.metrics import (
    CALLING_FAILED,
    MUTATING,
    NO_ERROR,
    VALIDATING,
    AdmissionMetrics,
)
from controlplane.apiserver.admission.webhook.client import CallFailed, WebhookClient
from controlplane.apiserver.admission.webhook.hooks import Hook
from controlplane.apiserver.admission.webhook.review import (
    InvalidResponse,
    Verdict,
    denial,
    review,
    verdict,
)
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.conversion import settled
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.status import bad_request, forbidden, internal

log = logging.getLogger(__name__)

_ALLOWED: Final = 200
_FAILED: Final = 500

Versions = Callable[[Kind], Sequence[Kind]]


@dataclass(frozen=True, slots=True)
class Asking:
    """What both plugins need to ask webhooks."""

    cacher: Cacher
    client: WebhookClient
    versions: Versions
    authorize: Authorize
    metrics: AdmissionMetrics

    async def concerned(self, hook: Hook, attributes: Attributes) -> Kind | None:
        """Return the version in which a webhook sees the write, None where it does not.

        Raises StatusError 403 for conditions that cannot be judged, 404 without the namespace.
        """
        versions = self.versions(attributes.kind)
        asked = asked_kind(attributes)
        kind = hook.matching.kind_of(attributes, asked, versions, self.cacher)
        if kind is None or not hook.conditions:
            return kind
        from kubeapi.cel import Budget

        variables = Variables(attributes, kind, self.cacher, self.authorize)
        false, wrong = await settled(lambda: failed_condition(hook.conditions, variables, Budget()))
        if wrong and not hook.fails_open:
            raise forbidden(attributes.kind.resource, attributes.name, wrong)
        return None if false or wrong else kind

    async def ask(
        self, hook: Hook, attributes: Attributes, kind: Kind, *, mutating: bool
    ) -> Verdict | None:
        """Return the verdict, None where a webhook that may fail did; raises StatusError."""
        if attributes.options.dry_run and hook.side_effects not in ("None", "NoneOnDryRun"):
            raise bad_request(f'admission webhook "{hook.name}" does not support dry run')
        sort = MUTATING if mutating else VALIDATING
        about = hook.name, sort, str(attributes.operation)
        began = monotonic()

        def told(code: int, *, rejected: bool) -> None:
            self.metrics.asked(about, monotonic() - began, code=code, rejected=rejected)

        uid = str(uuid.uuid4())
        question = await settled(lambda: review(attributes, kind, hook.version, uid))
        try:
            octets = await self.client.ask(hook.client, question, hook.timeout_s)
            found = verdict(octets, hook.version, uid, mutating=mutating)
        except (CallFailed, InvalidResponse) as error:
            why = str(error)
            if isinstance(error, InvalidResponse):
                why = f"received invalid webhook response: {why}"
            if hook.fails_open:
                log.warning("failed calling webhook, failing open %s: %s", hook.name, why)
                kind_of_hook = "mutating" if mutating else "validating"
                key = f"failed-open.{kind_of_hook}.webhook.admission.k8s.io/{hook.uid}"
                attributes.annotate(key, hook.name)
                self.metrics.failed_open(hook.name, sort)
                told(_FAILED, rejected=False)
                return None
            self.metrics.rejected(about, CALLING_FAILED, _FAILED)
            told(_FAILED, rejected=True)
            raise internal(f'failed calling webhook "{hook.name}": {why}') from None
        for key, value in found.annotations.items():
            attributes.annotate(f"{hook.name}/{key}", value)
        for text in found.warnings:
            attributes.warn(text)
        if not found.allowed:
            refusal = denial(hook.name, found.status)
            self.metrics.rejected(about, NO_ERROR, refusal.code)
            told(refusal.code, rejected=True)
            raise refusal
        told(_ALLOWED, rejected=False)
        return found
