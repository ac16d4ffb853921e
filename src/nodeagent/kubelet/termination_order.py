"""Who of a pod may be stopped when (KEP-753; kuberuntime_termination_order.go).

Containers proper and ephemeral ones end at once. A sidecar waits for all containers proper and for
the sidecars that were started after it, so that the first started is the last to go. Waiting counts
in the grace period.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from kubeapi.objects import Object
from nodeagent.kubelet.pod_spec import is_sidecar


def waits_for(pod: Object, running: Collection[str]) -> Mapping[str, Sequence[str]]:
    """Return by each of the *running* containers whose ends it waits for."""
    inits = pod["spec"].get("initContainers") or ()
    sidecars = [c["name"] for c in inits if is_sidecar(c)]
    ephemeral = [c["name"] for c in pod["spec"].get("ephemeralContainers") or ()]
    order: dict[str, Sequence[str]] = {name: () for name in running if name not in sidecars}
    before = [name for name in order if name not in ephemeral]
    for name in reversed([name for name in sidecars if name in running]):
        order[name] = tuple(before)
        before.append(name)
    return order
