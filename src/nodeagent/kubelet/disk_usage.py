"""How much room files take, as du(1) counts it, up to a bound of files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kubeapi.objects import Object
from nodeagent.kubelet.pod_config import pod_log_directory
from nodeagent.kubelet.runtime_status import PodRuntimeStatus

#: Who has more files than this is counted as far as they go.
_FILES_MAX: Final = 20_000
_BLOCK: Final = 512


def disk_usage(*paths: Path) -> int:
    """Return the octets that files at and below *paths* take; what is not there takes none."""
    total, seen = 0, 0
    waiting = [str(path) for path in paths]
    while waiting and seen < _FILES_MAX:
        try:
            entries = os.scandir(waiting.pop())
        except OSError:
            continue  # It went meanwhile, or is no directory.
        with entries:
            for entry in entries:
                seen += 1
                try:
                    total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                except OSError:
                    continue
    return total


def container_disk(root: Path, pod: Object, seen: PodRuntimeStatus) -> Mapping[str, int]:
    """Return the room that each container takes: its logs, and what it wrote outside of volumes."""
    logs, used = pod_log_directory(root, pod), dict[str, int]()
    for container in seen.containers:
        files = root / container.sandbox_id / "rootfs" / container.id
        used[container.name] = used.get(container.name, 0) + disk_usage(files)
    return {name: octets + disk_usage(logs / name) for name, octets in used.items()}
