"""In which form an answer goes out: what the Accept header prefers among what we have.

As upstream (goautoneg): clauses by quality, among equals those without stars first. Parameters of a
media type choose transformations (`as=Table`, `as=PartialObjectMetadata`); a clause that asks for
what we cannot do is skipped, and when all are, that is a 406.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
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
def negotiate(accept: str, *, shaped: bool = True) -> Accepted | None:
    """Return the first acceptable form; None when there is none (406).

    What is not *shaped* has no transformations: clauses that ask for one do not count.
    """
    if not accept:
        return Accepted()
    for media_type, parameters in _clauses(accept):
        served = JSON if media_type in _ANYTHING else media_type
        if served not in _SERVED or not _is_plain(parameters):
            continue
        wanted = parameters.get("as", "")
        if not wanted and not parameters.get("g") and not parameters.get("v"):
            return Accepted(served)
        known = shaped and wanted in _TRANSFORMATIONS and parameters.get("g") == _META_GROUP
        if known and parameters.get("v") in _META_VERSIONS:
            return Accepted(served, wanted, parameters["v"])
    return None


def _is_plain(parameters: Mapping[str, str]) -> bool:
    """Tell whether a clause asks for no other stream than watches, and no other server version."""
    return parameters.get("stream", "") in ("", "watch") and not parameters.get("sv")


@functools.lru_cache(maxsize=256)
def accepts_aggregated(accept: str) -> str:
    """Return the content type of aggregated discovery that the client accepts, if any."""
    for media_type, parameters in _clauses(accept):
        aggregated = (
            parameters.get("g") == "apidiscovery.k8s.io" and parameters.get("as") == AGGREGATED
        )
        if media_type == JSON and aggregated and parameters.get("v") in ("v2", "v2beta1"):
            return f"{JSON};g=apidiscovery.k8s.io;v={parameters['v']};as={AGGREGATED}"
        if media_type in (JSON, *_ANYTHING) and "as" not in parameters:
            return ""
    return ""


@functools.lru_cache(maxsize=64)
def preferred(accept: str, served: tuple[str, ...]) -> str:
    """Return which of *served* the client prefers, for what has no transformations; "" is 406."""
    for media_type, _ in _clauses(accept or "*/*"):
        for one in served:
            whole, _, _ = one.partition("/")
            if media_type in (one, f"{whole}/*", "*/*"):
                return one
    return ""


def _clauses(accept: str) -> list[tuple[str, dict[str, str]]]:
    """Return the clauses of an Accept header, the best first."""
    parsed = [_parse(clause) for clause in accept.split(",")]
    return sorted(parsed, key=lambda clause: (-_quality(clause[1]), clause[0].count("*")))


def _quality(parameters: Mapping[str, str]) -> float:
    try:
        quality = float(parameters.get("q", 1))
    except ValueError:
        return 1.0
    return quality if quality == quality else 1.0  # NaN is no number to sort by.


def _parse(clause: str) -> tuple[str, dict[str, str]]:
    media_type, *rest = (part.strip() for part in clause.split(";"))
    pairs = (part.partition("=") for part in rest)
    return media_type.lower(), {key.strip(): value.strip() for key, _, value in pairs}
