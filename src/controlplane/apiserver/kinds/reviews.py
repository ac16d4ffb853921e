"""Reviews: questions that are created and answered, never stored (upstream: rest.Creater alone).

They stand in the table of kinds so that clients find them; `routes.reviews` answers.
"""

from __future__ import annotations

from typing import Final

from controlplane.apiserver.kinds.kind import Kind
from kubeapi.resources import (
    LOCALSUBJECTACCESSREVIEWS,
    SELFSUBJECTACCESSREVIEWS,
    SELFSUBJECTREVIEWS,
    SELFSUBJECTRULESREVIEWS,
    SUBJECTACCESSREVIEWS,
    TOKENREVIEWS,
    Resource,
)


def _review(resource: Resource) -> Kind:
    return Kind(resource=resource, singular=resource.kind.lower(), virtual=True)


REVIEWS: Final = tuple(
    map(
        _review,
        (
            SELFSUBJECTREVIEWS,
            TOKENREVIEWS,
            LOCALSUBJECTACCESSREVIEWS,
            SELFSUBJECTACCESSREVIEWS,
            SELFSUBJECTRULESREVIEWS,
            SUBJECTACCESSREVIEWS,
        ),
    )
)
