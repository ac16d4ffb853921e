"""The finalizer by which a Job counts each of its pods exactly once.

A pod of a Job cannot vanish before the controller has noted it: it carries the finalizer
`batch.kubernetes.io/job-tracking` from the beginning. When it ends, its uid goes into
`status.uncountedTerminatedPods`; then the finalizer goes; then the uid, and the counter grows.
A crash between any two of these repeats a step and counts nothing twice. Upstream: KEP-2307,
tracking_utils.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from kubeapi.objects import Object

FINALIZER: Final = "batch.kubernetes.io/job-tracking"
_NOTHING: Final[Mapping[str, None]] = {}

#: The strategic merge patch that takes the finalizer from a pod.
REMOVAL_PATCH: Final[Object] = {
    "metadata": {"$deleteFromPrimitiveList/finalizers": [FINALIZER]},
}


def is_tracked(pod: Object) -> bool:
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


class ExpectedRemovals:
    """Pods whose finalizer was taken away and which the informer still shows with it."""

    def __init__(self) -> None:
        self._awaited: dict[str, dict[str, None]] = {}

    def expect(self, key: str, uids: Iterable[str]) -> None:
        self._awaited.setdefault(key, {}).update(dict.fromkeys(uids))

    def observed(self, key: str, uid: str) -> None:
        """Note that the informer shows it, or that it will not come."""
        if awaited := self._awaited.get(key):
            awaited.pop(uid, None)
            if not awaited:
                del self._awaited[key]

    def of(self, key: str) -> Mapping[str, None]:
        """Return the uids of *key* as they are now; what is noted later does not change them."""
        return dict(self._awaited.get(key, _NOTHING))

    def forget(self, key: str) -> None:
        self._awaited.pop(key, None)
