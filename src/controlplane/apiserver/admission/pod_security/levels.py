"""Levels and versions, as labels of namespaces have them (pod-security-admission/api)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from kubeapi import field
from kubeapi.status import Cause

PREFIX: Final = "pod-security.kubernetes.io/"
_VERSION: Final = re.compile(r"v1\.(0|[1-9]\d{0,5})", re.ASCII)
#: Newer than any release.
LATEST: Final = 1_000_000


class Level(IntEnum):
    """From what allows everything to what allows the least."""

    PRIVILEGED = 0
    BASELINE = 1
    RESTRICTED = 2


@dataclass(frozen=True, slots=True)
class LevelVersion:
    """A level as a release of Kubernetes has it."""

    level: Level = Level.PRIVILEGED
    minor: int = LATEST

    def __str__(self) -> str:
        version = "latest" if self.minor == LATEST else f"v1.{self.minor}"
        return f"{self.level.name.lower()}:{version}"


@dataclass(frozen=True, slots=True)
class Policy:
    enforce: LevelVersion
    audit: LevelVersion
    warn: LevelVersion


def policy_of(labels: Mapping[str, str]) -> tuple[Policy, list[Cause]]:
    """Read a namespace's labels; what makes no sense enforces the most, and warns of nothing."""
    causes: list[Cause] = []
    enforce = _mode(labels, "enforce", causes, Level.RESTRICTED)
    audit = _mode(labels, "audit", causes, Level.PRIVILEGED)
    warn = _mode(labels, "warn", causes, Level.PRIVILEGED)
    if f"{PREFIX}warn" not in labels and enforce.level > warn.level:
        warn = enforce  # Who makes a workload is told at once that its pods will not be.
    return Policy(enforce, audit, warn), causes


def _mode(
    labels: Mapping[str, str], mode: str, causes: list[Cause], fallback: Level
) -> LevelVersion:
    level, minor = Level.PRIVILEGED, LATEST
    text = labels.get(PREFIX + mode)
    if text is not None:
        try:
            level = _LEVELS[text]
        except KeyError:
            detail = f"must be one of {', '.join(_LEVELS)}"
            causes.append(field.invalid(f"metadata.labels[{PREFIX}{mode}]", text, detail))
            level = fallback
    text = labels.get(f"{PREFIX}{mode}-version")
    if text is not None and text != "latest":
        match = _VERSION.fullmatch(text)
        if match is None:
            at = f"metadata.labels[{PREFIX}{mode}-version]"
            causes.append(field.invalid(at, text, 'must be "latest" or "v1.x"'))
        else:
            minor = int(match.group(1))
    return LevelVersion(level, minor)


_LEVELS: Final = {level.name.lower(): level for level in Level}
