"""What a sandbox leaves on disk, so that podruntime may die and come back.

    pods/<id>/sandbox.json       what it was asked to be; written by podruntime
              memory             what its process held before its first container, in octets
              pid                written by the pod's process when it begins
              control.sock       the pod's process listens here: it lives while this accepts
              stream.sock        and here for exec, attach and port-forward
              pod.log            log, stdout and stderr of the process itself
              containers/<id>.json   last known status of each container; written by the pod
              rootfs/<id>/           its files, if it has asked for any

Files are replaced, never changed in place: a reader sees the old one or the new one.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

import msgspec

from componentbase.decoding import UNREADABLE
from componentbase.directories import remove_tree
from podruntime.cri import ContainerStatus, Message, PodSandboxConfig

#: Below `pods/`: where a pod's process says that it is ready.
READY_SOCKET: Final = "ready.sock"


class SandboxRecord(Message, frozen=True, kw_only=True):
    """What podruntime remembers of a sandbox."""

    id: str
    config: PodSandboxConfig
    created_at: float


class SandboxDirectory:
    """The folder of one sandbox."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.control_socket = path / "control.sock"
        self.stream_socket = path / "stream.sock"
        self.log = path / "pod.log"
        # Plain texts and system calls: pathlib and io are 0.2 MB of a pod that uses them once.
        self._baseline: int | None = None
        self._record, self._pid, self._memory, self._containers = (
            f"{path}/sandbox.json",
            f"{path}/pid",
            f"{path}/memory",
            f"{path}/containers",
        )

    def create(self, record: SandboxRecord) -> None:
        """Make the folder."""
        self.path.mkdir(parents=True, mode=0o700)
        os.mkdir(self._containers, 0o700)
        _replace(self._record, msgspec.json.encode(record))

    def record(self) -> SandboxRecord | None:
        """Return what was asked for; None when this is no sandbox, or one never finished."""
        try:
            return msgspec.json.decode(_read(self._record), type=SandboxRecord)
        except (OSError, *UNREADABLE):
            return None

    def write_pid(self, pid: int) -> None:
        """Say which process the sandbox is."""
        _replace(self._pid, str(pid).encode())

    def pid(self) -> int:
        """Return the process's id, 0 when it never began."""
        try:
            return int(_read(self._pid))
        except (OSError, ValueError):
            return 0

    def write_baseline(self, octets: int) -> None:
        """Keep how much memory the process held at first, for a later podruntime, too."""
        self._baseline = octets
        _replace(self._memory, str(octets).encode())

    def baseline(self) -> int:
        """Return how much memory the process held at first, 0 while nobody knows."""
        if self._baseline is None:
            try:
                self._baseline = int(_read(self._memory))
            except (OSError, ValueError):
                return 0
        return self._baseline

    def write_status(self, status: ContainerStatus) -> None:
        """Keep *status*."""
        _replace(f"{self._containers}/{status.id}.json", msgspec.json.encode(status))

    def remove_status(self, container_id: str) -> None:
        """Forget a container."""
        Path(f"{self._containers}/{container_id}.json").unlink(missing_ok=True)

    def statuses(self) -> list[ContainerStatus]:
        """Return the last known status of each container."""
        statuses = []
        for path in sorted(Path(self._containers).glob("*.json")):
            try:
                statuses.append(msgspec.json.decode(path.read_bytes(), type=ContainerStatus))
            except (OSError, *UNREADABLE):
                continue  # Cut short by a kill; the container is gone as well.
        return statuses

    def root(self, container_id: str) -> str:
        """Return where a container's own files are, if it has made any."""
        return f"{self.path}/rootfs/{container_id}"

    def remove_root(self, container_id: str) -> None:
        """Remove a container's own files."""
        remove_tree(self.root(container_id))

    def remove(self) -> None:
        """Remove the folder."""
        remove_tree(self.path)


def _replace(path: str, octets: bytes) -> None:
    new = f"{path}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        if os.write(descriptor, octets) != len(octets):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), new)
    finally:
        os.close(descriptor)
    os.replace(new, path)


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)
