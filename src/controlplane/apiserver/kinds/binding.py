"""Bindings: which node a pod goes to (core/v1), as a resource of its own.

The older way to say what `pods/NAME/binding` says; `metadata.name` is the pod's.
"""

from __future__ import annotations

from typing import Final

from controlplane.apiserver.kinds.kind import Kind
from kubeapi.resources import BINDINGS

BINDING: Final = Kind(resource=BINDINGS, singular="binding", virtual=True)
