"""Which object of a kind is the default one, where an annotation says so: the youngest.

Of several of one second, the first by name.
"""

from __future__ import annotations

from collections.abc import Callable

from controlplane.apiserver import keys
from controlplane.apiserver.cacher import Cacher
from kubeapi.objects import Object, name_of
from kubeapi.resources import Resource


def default_name(cacher: Cacher, resource: Resource, is_default: Callable[[Object], bool]) -> str:
    """Return the name of the default one; empty when there is none."""
    stored = cacher.cache(resource).below(keys.prefix(resource))
    defaults = [one for one in (each.object for each in stored) if is_default(one)]
    defaults.sort(key=name_of)
    defaults.sort(key=lambda one: str(one["metadata"]["creationTimestamp"]), reverse=True)
    return name_of(defaults[0]) if defaults else ""
