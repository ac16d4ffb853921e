"""In which form an answer goes out: what the Accept header prefers among what we have.

Media types with parameters choose transformations (`as=Table`, `as=PartialObjectMetadata`);
clients list several and say nothing of quality, so the first that is known wins.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

from controlplane.apiserver.decoding import JSON, MSGPACK, YAML

TABLE: Final = "Table"
PARTIAL: Final = "PartialObjectMetadata"
PARTIAL_LIST: Final = "PartialObjectMetadataList"
AGGREGATED: Final = "APIGroupDiscoveryList"

_META_GROUP: Final = "meta.k8s.io"
_META_VERSIONS: Final = ("v1", "v1beta1")
_TRANSFORMATIONS: Final = (TABLE, PARTIAL, PARTIAL_LIST)
_ANYTHING: Final = ("*/*", "application/*")
_SERVED: Final = (JSON, MSGPACK, YAML)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A form that the client accepts and we can make."""

    media_type: str = JSON
    transformation: str = ""  # TABLE, PARTIAL, PARTIAL_LIST or none
    version: str = ""  # of the transformation's group

    @property
    def content_type(self) -> str:
        return self.media_type


@functools.lru_cache(maxsize=256)
def negotiate(accept: str) -> Accepted | None:
    """Return the first acceptable form; None when there is none (406)."""
    if not accept.strip():
        return Accepted()
    for clause in accept.split(","):
        media_type, parameters = _parse(clause)
        if media_type in _ANYTHING:
            media_type = JSON
        if media_type not in _SERVED:
            continue
        wanted = parameters.get("as", "")
        if not wanted:
            return Accepted(media_type)
        known = wanted in _TRANSFORMATIONS and parameters.get("g") == _META_GROUP
        if known and parameters.get("v") in _META_VERSIONS and media_type != YAML:
            return Accepted(media_type, wanted, parameters["v"])
    return None


@functools.lru_cache(maxsize=256)
def accepts_aggregated(accept: str) -> str:
    """Return the content type of aggregated discovery that the client accepts, if any."""
    for clause in accept.split(","):
        media_type, parameters = _parse(clause)
        aggregated = (
            parameters.get("g") == "apidiscovery.k8s.io" and parameters.get("as") == AGGREGATED
        )
        if media_type == JSON and aggregated and parameters.get("v") in ("v2", "v2beta1"):
            return f"{JSON};g=apidiscovery.k8s.io;v={parameters['v']};as={AGGREGATED}"
        if media_type == JSON and "as" not in parameters:
            return ""
    return ""


def _parse(clause: str) -> tuple[str, dict[str, str]]:
    media_type, *rest = (part.strip() for part in clause.split(";"))
    pairs = (part.partition("=") for part in rest)
    return media_type.lower(), {key.strip(): value.strip() for key, _, value in pairs}
