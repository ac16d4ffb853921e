"""What changed between two versions of an object, as far as a controller must know it at once.

Most changes of what a controller keeps are its own statuses that come back to it. Upstream looks
again at each; while pods flap that is a circle, for every look finds something new to write.
"""

from __future__ import annotations

from typing import Final

from kubeapi.objects import Object

_SERVERS_OWN: Final = ("resourceVersion", "managedFields")


def is_status_alone(old: Object, new: Object) -> bool:
    """Return whether *new* asks for nothing that *old* did not: at most its status differs."""
    if old.get("spec") != new.get("spec"):
        return False
    return _asked(old["metadata"]) == _asked(new["metadata"])


def _asked(metadata: Object) -> Object:
    return {key: value for key, value in metadata.items() if key not in _SERVERS_OWN}
