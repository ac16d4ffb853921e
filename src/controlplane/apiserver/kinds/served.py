"""Which kinds are served now (upstream: the API server's group-version install).

Built-in kinds are there from the start and stay. CustomResourceDefinitions add and remove kinds
while the server runs, so whoever keeps something that was made from the table looks at its
`generation`, or asks to be called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from controlplane.apiserver.kinds.kind import Kind
from kubeapi.resources import Resource

_Name = tuple[str, str, str]


def _name(resource: Resource) -> _Name:
    return resource.group, resource.version, resource.plural


class ServedKinds:
    """The table of kinds."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds: dict[_Name, Kind] = {}
        self._changed: list[Callable[[], None]] = []
        self.generation = 0  # Grows with every change.
        self.add(kinds)

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """Return the kind that a URL names."""
        return self._kinds.get((group, version, plural))

    def of(self, resource: Resource) -> Kind:
        """Return the kind of a resource that is served."""
        return self._kinds[_name(resource)]

    def versions(self, kind: Kind) -> Sequence[Kind]:
        """Return every version of *kind* that is served, and the stored one."""
        return self._versions.get(_name(kind.stored.resource), ())

    def all(self) -> tuple[Kind, ...]:
        """Return every kind, in the order they came."""
        return tuple(self._kinds.values())

    def add(self, kinds: Iterable[Kind]) -> None:
        """Serve *kinds*, in the place of what had their names."""
        self._kinds.update((_name(kind.resource), kind) for kind in kinds)
        self._tell()

    def remove(self, resources: Iterable[Resource]) -> None:
        """Serve *resources* no longer."""
        for resource in resources:
            self._kinds.pop(_name(resource), None)
        self._tell()

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call *callback* after every change."""
        self._changed.append(callback)

    def _tell(self) -> None:
        self.generation += 1
        self._versions: dict[_Name, list[Kind]] = {}
        for kind in self._kinds.values():
            versions = self._versions.setdefault(_name(kind.stored.resource), [])
            versions.append(kind)
            if kind.hub is not None and kind.hub not in versions and kind.is_custom:
                versions.append(kind.hub)  # Stored, and perhaps not served any more.
        for callback in self._changed:
            callback()
