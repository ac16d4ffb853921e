"""Every target by its name."""

from __future__ import annotations

from collections.abc import Mapping

from fuzzing import hosts, nodes, texts, wire
from fuzzing.target import Target

TARGETS: Mapping[str, Target] = {
    **wire.TARGETS,
    **hosts.TARGETS,
    **nodes.TARGETS,
    **texts.TARGETS,
}
