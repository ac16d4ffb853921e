"""What checks look at: a pod's metadata and spec, its containers and their security contexts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kubeapi.objects import Object
from kubeapi.pod_containers import every_container


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has against a pod."""

    reason: str
    detail: str


Check = Callable[[Object, Object], Finding | None]  # Of metadata and spec.


def containers(spec: Object) -> Iterator[tuple[str, Object, Object]]:
    """Yield each container's name, itself and its security context."""
    for container in every_container(spec):
        yield container["name"], container, container.get("securityContext") or {}


def pod_context(spec: Object) -> Object:
    context: Object = spec.get("securityContext") or {}
    return context


def quoted(items: Sequence[object]) -> str:
    return ", ".join(f'"{item}"' for item in items)


def named(names: Sequence[str], singular: str = "container") -> str:
    """Return `container "a"` or `containers "a", "b"`."""
    return f"{singular}{'' if len(names) == 1 else 's'} {quoted(names)}"


def pod_and(pod: bool, names: Sequence[str], joint: str = "and") -> str:
    """Return `pod`, `container "a"`, or both."""
    parts = ["pod"] if pod else []
    return f" {joint} ".join([*parts, *([named(names)] if names else [])])
