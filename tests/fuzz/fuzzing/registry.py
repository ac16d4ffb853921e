"""Every target by its name."""

from __future__ import annotations

from collections.abc import Mapping

from fuzzing import calls, hosts, nodes, nodes6, offload, texts, wire
from fuzzing.target import Target

TARGETS: Mapping[str, Target] = {
    **wire.TARGETS,
    **offload.TARGETS,
    **hosts.TARGETS,
    **nodes.TARGETS,
    **nodes6.TARGETS,
    **texts.TARGETS,
    **calls.TARGETS,
}
