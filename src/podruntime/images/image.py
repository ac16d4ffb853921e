"""What an image is: programs, what it starts by itself, and which tags exist of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from podruntime.images.process import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image. `entrypoint` and `cmd` mean what they mean in a Dockerfile."""

    programs: Mapping[str, Program]
    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = "/"
    #: Directories of the machine that the image consists of: they are seen and cannot be changed.
    layers: Sequence[str] = ()
    #: Which tags exist; every tag when None. (So a typo like nginx:1.161 fails as in the docs.)
    tags: re.Pattern[str] | None = None
    size: int = 1_000_000

    def command(self, command: Sequence[str] | None, args: Sequence[str] | None) -> list[str]:
        """Return argv for a container's `command` and `args` (Kubernetes' table)."""
        if command:
            return [*command, *(args or ())]
        return [*self.entrypoint, *(args or self.cmd)]
