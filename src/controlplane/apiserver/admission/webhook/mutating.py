"""MutatingAdmissionWebhook: webhooks change what is written, one after another."""

from __future__ import annotations

from controlplane.apiserver.admission.attributes import (
    Attributes,
    Mutating,
    Operation,
    Reinvocation,
)
from controlplane.apiserver.admission.matching import EXEMPT, in_version
from controlplane.apiserver.admission.webhook.asking import Asking
from controlplane.apiserver.admission.webhook.hooks import Hook, Hooks
from controlplane.apiserver.conversion import settled
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object, deep_copy, metadata_of
from kubeapi.patch import json_patch
from kubeapi.resources import MUTATINGWEBHOOKCONFIGURATIONS
from kubeapi.schema import validate
from kubeapi.status import StatusError, internal


class MutatingAdmissionWebhook(Mutating):
    """Asks webhooks in the order of their configurations' names."""

    name = "MutatingAdmissionWebhook"

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._hooks = Hooks(asking.cacher, MUTATINGWEBHOOKCONFIGURATIONS)

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        return kind.resource not in EXEMPT

    async def admit(self, attributes: Attributes) -> None:
        hooks = self._hooks.all()
        if not hooks:
            return
        state = attributes.reinvocation
        if state is None:
            state = attributes.reinvocation = Reinvocation()
        if state.again and attributes.obj != state.left_as:
            _all_due(state)  # Plugins of our own have changed it since.
        for hook in hooks:
            if not state.again or hook.uid in state.due:
                await self._ask(hook, attributes, state)
        state.left_as = None if attributes.obj is None else deep_copy(attributes.obj)

    async def _ask(self, hook: Hook, attributes: Attributes, state: Reinvocation) -> None:
        kind = await self._asking.concerned(hook, attributes)
        if kind is None:
            return
        found = await self._asking.ask(hook, attributes, kind, mutating=True)
        if found is not None and found.patch:
            patch = found.patch
            changed = await settled(lambda: _patched(hook, attributes, kind, patch))
            if changed != attributes.obj:
                attributes.obj = changed
                _all_due(state)
                state.wanted = True
        if hook.reinvoked:
            state.asked[hook.uid] = None


def _all_due(state: Reinvocation) -> None:
    """Let those be asked again that have seen another object."""
    state.due |= state.asked
    state.asked.clear()


def _patched(hook: Hook, attributes: Attributes, kind: Kind, patch: object) -> Object:
    """Return the object after a webhook's patch, with defaults; raises StatusError 500."""
    before = in_version(attributes, kind, attributes.obj)
    if before is None:
        raise internal(
            f'admission webhook "{hook.name}" attempted to modify the object, which is not '
            "supported for this operation"
        )
    try:
        after = json_patch(before, patch)
    except StatusError as error:
        raise internal(error.message) from None
    if attributes.object_kind is not None:
        return after
    causes = validate(after, kind.schema)
    if causes or not metadata_of(after):
        told = "; ".join(map(str, causes)) or "the object has no metadata"
        raise internal(f'admission webhook "{hook.name}" left no valid object: {told}')
    changed = kind.to_hub(after)
    for key in ("uid", "creationTimestamp", "resourceVersion", "managedFields"):
        kept = metadata_of(attributes.obj or {}).get(key)
        if kept is not None:
            changed["metadata"][key] = kept
    attributes.kind.default(changed)
    return changed
