"""Image references as Docker reads them: `[registry/]repository[:tag][@digest]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_DEFAULT_REGISTRY: Final = "docker.io"
_REPOSITORY: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+|/)[a-z0-9]+)*")
_TAG: Final = re.compile(r"\w[\w.-]{0,127}", re.ASCII)


class InvalidReference(ValueError):
    """A text that names no image (the kubelet's InvalidImageName)."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Where an image is and which one of its versions is meant."""

    registry: str
    repository: str
    tag: str
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read *text*; raises InvalidReference."""
        rest, _, digest = text.partition("@")
        registry = _DEFAULT_REGISTRY
        first, slash, remaining = rest.partition("/")
        if slash and ("." in first or ":" in first or first == "localhost"):
            registry, rest = first, remaining
        repository, colon, tag = rest.partition(":")
        if registry == _DEFAULT_REGISTRY:
            repository = repository.removeprefix("library/")
        if not _REPOSITORY.fullmatch(repository) or (colon and not _TAG.fullmatch(tag)):
            raise InvalidReference(f'couldn\'t parse image name "{text}": invalid reference format')
        return cls(registry, repository, tag or "latest", digest)

    def __str__(self) -> str:
        repository = self.repository
        if self.registry == _DEFAULT_REGISTRY and "/" not in repository:
            repository = f"library/{repository}"
        return f"{self.registry}/{repository}:{self.tag}"
