"""The cluster's processes that are not the launcher's to restart: pods and zygotes.

A pod is called `NODE/pod/NAMESPACE/NAME` and found through its podruntime's files, whose pids
count only while they belong to the cluster's session: the kernel uses a pid again. A zygote is
found by its title.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from podruntime.store import SandboxDirectory
from podwire.cluster.layout import Layout
from podwire.launcher import session

TITLE: Final = "podwire: "


def pods(paths: Layout) -> Iterator[tuple[str, int]]:
    """Yield name and pid of every pod that podruntimes have noted; it may have ended."""
    for path in sorted((paths.directory / "nodes").glob("*/pods/*/sandbox.json")):
        folder = SandboxDirectory(path.parent)
        record, pid = folder.record(), folder.pid()
        if record is not None and pid:
            metadata = record.config.metadata
            node = path.parents[2].name
            yield f"{node}/pod/{metadata.namespace}/{metadata.name}", pid


def find(paths: Layout, name: str) -> int | None:
    """Return the pid of the living process *name*, or None."""
    known = session.read(paths.session_file)
    if known is None:
        return None
    if "/pod/" in name:
        found = [pid for pod, pid in pods(paths) if pod == name]
        return next((pid for pid in found if session.is_member(known, pid)), None)
    for process in session.members(known):
        if _title(process.pid) == name:
            return process.pid
    return None


def _title(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            text = file.read().rstrip(b"\0 ").decode(errors="replace")
    except OSError:
        return ""
    return text.removeprefix(TITLE) if text.startswith(TITLE) else ""
