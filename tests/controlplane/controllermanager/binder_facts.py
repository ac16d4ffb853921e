"""What the API has of claims, volumes and classes, as tests of the binder need it."""

from __future__ import annotations

from dataclasses import dataclass, field

from kubeapi.objects import annotations_of, name_of
from kubeapi.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES

NOW = "2026-01-01T00:00:00Z"


@dataclass
class World:
    """What the API has."""

    claims: dict = field(default_factory=dict)
    of_all: dict = field(default_factory=dict)
    classes: dict = field(default_factory=dict)
    pod: str = ""

    @classmethod
    def of(cls, claims=(), volumes=(), classes=(), pod=""):
        made = ({name_of(one): one for one in each} for each in (claims, volumes, classes))
        return cls(*made, pod)

    def volumes(self):
        return list(self.of_all.values())

    def volume(self, name):
        return self.of_all.get(name)

    def claim(self, _namespace, name):
        return self.claims.get(name)

    def storage_class(self, name):
        return self.classes.get(name)

    def default_class(self):
        found = [name for name, one in self.classes.items() if annotations_of(one)]
        return found[0] if found else ""

    def consumer(self, _claim):
        return self.pod

    def write(self, step):
        kinds = {PERSISTENTVOLUMECLAIMS: self.claims, PERSISTENTVOLUMES: self.of_all}
        kinds[step.resource][name_of(step.obj)] = step.obj


def reference(name="c", **more):
    return {"namespace": "ns", "name": name, **more}
