"""When a node renews its Lease in kube-node-lease (upstream: component-helpers lease)."""

from __future__ import annotations

import random

from componentbase.clock import rfc3339_micro
from kubeapi.objects import Object, name_of, owner_reference, uid_of

NAMESPACE = "kube-node-lease"


class LeaseHolder:
    """Decide when a node must renew its Lease, and whether it has lost it."""

    def __init__(self, *, duration_s: float, renew_every_s: float, rng: random.Random) -> None:
        assert 0 < renew_every_s < duration_s
        self._duration_s, self._renew_every_s, self._rng = duration_s, renew_every_s, rng
        self._renew_at = self._expires_at = 0.0

    def renewed(self, now: float) -> None:
        """Note a renewal that the API server acknowledged."""
        jitter = self._rng.uniform(0.96, 1.0)  # A thousand nodes must not renew in step.
        self._renew_at = now + self._renew_every_s * jitter
        self._expires_at = now + self._duration_s

    def failed(self, now: float) -> None:
        """Note a failure: try again well before the Lease is over."""
        self._renew_at = now + self._renew_every_s * 0.2

    def deadline(self) -> float:
        """Return when to renew."""
        return self._renew_at

    def expired(self, now: float) -> bool:
        """Tell whether the others must take this node for dead."""
        return now >= self._expires_at


def lease_of(node: Object, duration_s: float, now: float) -> Object:
    """Return the Lease that *node* holds from *now* on (Unix seconds)."""
    reference = owner_reference({"apiVersion": "v1", "kind": "Node", **node}, controller=False)
    assert uid_of(node)
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name_of(node),
            "namespace": NAMESPACE,
            "ownerReferences": [reference],
        },
        "spec": {
            "holderIdentity": name_of(node),
            "leaseDurationSeconds": max(1, round(duration_s)),
            "renewTime": rfc3339_micro(now),
        },
    }
