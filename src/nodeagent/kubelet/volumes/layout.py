"""Where the volumes of pods are below the node's directory, as below /var/lib/kubelet upstream.

emptyDir is a directory, whatever its medium. hostPath is a path of the emulated node, below
`hostfs`, never one of the machine's. Volumes of claims are links (`claims`). What this emulator
has no plugin for (nfs, csi, …) is an empty directory of the pod, so that manifests that name it
still run.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kubeapi.objects import Object
from nodeagent.kubelet.references import ConfigError

_PLUGINS: Final[Mapping[str, str]] = {
    "emptyDir": "empty-dir",
    "configMap": "configmap",
    "secret": "secret",
    "downwardAPI": "downward-api",
    "projected": "projected",
}
_OTHER: Final = "local-volume"
_DIRECTORIES: Final = ("etc", "run", "tmp", "var/lib", "var/log")
#: hostPath types by what must be there.
_MUST_BE: Final[Mapping[str, tuple[int, str]]] = {
    "Directory": (stat.S_IFDIR, "directory"),
    "DirectoryOrCreate": (stat.S_IFDIR, "directory"),
    "File": (stat.S_IFREG, "file"),
    "FileOrCreate": (stat.S_IFREG, "file"),
    "Socket": (stat.S_IFSOCK, "socket file"),
    "CharDevice": (stat.S_IFCHR, "character device"),
    "BlockDevice": (stat.S_IFBLK, "block device"),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below one node's directory."""

    node: Path

    @property
    def pods(self) -> Path:
        """Return the folder of all pods' folders."""
        return self.node / "kubelet" / "pods"

    def pod(self, uid: str) -> Path:
        """Return the folder of one pod."""
        return self.pods / uid

    def volume(self, uid: str, volume: Object) -> Path:
        """Return where a volume is."""
        if volume.get("hostPath") is not None:
            return self.host_path(str(volume["hostPath"].get("path") or "/"))
        kind = next((kind for kind in _PLUGINS if volume.get(kind) is not None), "")
        plugin = _PLUGINS.get(kind, _OTHER)
        return self.pod(uid) / "volumes" / f"kubernetes.io~{plugin}" / str(volume["name"])

    def sub_path(self, uid: str, volume: str, container: str, index: int) -> Path:
        """Return where a container's own copy of a part of a volume is."""
        return self.pod(uid) / "volume-subpaths" / volume / container / str(index)

    @property
    def host_root(self) -> Path:
        """Return what stands for the node's own file system."""
        return self.node / "hostfs"

    def furnish(self, files: Mapping[str, str]) -> None:
        """Give the node what pods find on every Linux: some directories, and *files* below /etc."""
        for name in _DIRECTORIES:
            (self.host_root / name).mkdir(mode=0o755, parents=True, exist_ok=True)
        for name, text in files.items():
            path = self.host_root / "etc" / name
            if not os.path.lexists(path):  # What a pod has put there stays.
                path.write_text(f"{text}\n")

    def host_path(self, path: str) -> Path:
        """Return where *path* of the emulated node is; raises ConfigError outside of it."""
        return inside(self.host_root, posixpath.normpath("/" + path).strip("/"))


def inside(root: Path, path: str) -> Path:
    """Return root/path; raises ConfigError when a link in it leads out of *root*."""
    found = root / path if path else root
    whole, real = os.path.realpath(found), os.path.realpath(root)
    if whole != real and not whole.startswith(f"{real}/"):
        raise ConfigError(f"{path} leads out of its volume")
    return found


def check_empty_dir(source: Object) -> None:
    """Raise ConfigError for a medium that this node has not (pkg/volume/emptydir)."""
    medium = source.get("medium") or ""
    if medium not in ("", "Memory"):
        raise ConfigError(f'unknown storage medium "{medium}"')


def prepare_host_path(path: Path, source: Object) -> None:
    """Make what may be made and check what must be there (pkg/volume/hostpath)."""
    wanted = source.get("type") or ""
    if wanted in ("", "DirectoryOrCreate") and not os.path.lexists(path):
        path.mkdir(mode=0o755, parents=True)
    if wanted == "FileOrCreate" and not os.path.lexists(path):
        try:
            path.touch(mode=0o644)
        except FileNotFoundError as error:
            raise ConfigError(f"open {source['path']}: {os.strerror(error.errno or 0)}") from None
    if not wanted:
        return
    kind, name = _MUST_BE[wanted]
    if not path.exists() or stat.S_IFMT(path.stat().st_mode) != kind:
        raise ConfigError(f"hostPath type check failed: {source['path']} is not a {name}")
