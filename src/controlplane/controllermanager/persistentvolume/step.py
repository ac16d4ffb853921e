"""What a look at a claim or a volume leads to: one write, or one event.

The binder does one thing and looks again, so it may be killed between any two writes: what was
written tells the next one where to go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from kubeapi.objects import Object
from kubeapi.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, Resource


@dataclass(frozen=True, slots=True)
class Write:
    """Update *obj*."""

    resource: Resource
    obj: Object
    subresource: Literal["", "status"] = ""


@dataclass(frozen=True, slots=True)
class Say:
    """Tell the user about *obj*, and do nothing for now."""

    obj: Object
    type: Literal["Normal", "Warning"]
    reason: str
    message: str


Step = Write | Say | None


class World(Protocol):
    """What is known of the others."""

    def volumes(self) -> Iterable[Object]:
        """Return all volumes."""

    def volume(self, name: str) -> Object | None:
        """Return a volume by its name."""

    def claim(self, namespace: str, name: str) -> Object | None:
        """Return a claim by its name."""

    def storage_class(self, name: str) -> Object | None:
        """Return a class by its name."""

    def default_class(self) -> str:
        """Return the name of the default class; "" when there is none."""

    def consumer(self, claim: Object) -> str:
        """Return a pod that names *claim*; "" when there is none."""


def volume_phase(
    volume: Object, phase: str, now_text: str, reason: str = "", message: str = ""
) -> Step:
    """Give *volume* a phase; None when it has it."""
    before = volume.get("status") or {}
    if (before.get("phase"), before.get("message", "")) == (phase, message):
        return None
    status = {"phase": phase, "lastPhaseTransitionTime": now_text}
    if before.get("phase") == phase and before.get("lastPhaseTransitionTime"):
        status["lastPhaseTransitionTime"] = before["lastPhaseTransitionTime"]
    status |= {key: text for key, text in (("reason", reason), ("message", message)) if text}
    return Write(PERSISTENTVOLUMES, {**volume, "status": status}, "status")


def claim_phase(claim: Object, phase: str, **more: object) -> Step:
    """Give *claim* a phase, and with it what *more* says; None when it has them."""
    before = claim.get("status") or {}
    status = {"phase": phase, **more}
    if {key: before.get(key) for key in status} == status and (more or len(before) == 1):
        return None
    if more:
        status = {**before, **status}
    return Write(PERSISTENTVOLUMECLAIMS, {**claim, "status": status}, "status")
