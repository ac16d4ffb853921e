"""Where add-ons may run: a hollow node runs nothing, so what must answer is kept from it."""

from __future__ import annotations

from typing import Any

from nodeagent.kubelet.node_status import NODE_KIND_LABEL

Object = dict[str, Any]


def not_hollow() -> Object:
    """Return the affinity of pods that have to answer: on hollow nodes nothing does."""
    expression = {"key": NODE_KIND_LABEL, "operator": "NotIn", "values": ["hollow"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
