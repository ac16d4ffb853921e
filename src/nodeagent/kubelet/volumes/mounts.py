"""What a container sees of its pod's volumes: CRI's mounts.

Upstream: makeMounts, and subPath's protection in pkg/volume/util/subpath. A subPath of files that
the kubelet writes is linked apart, so that it stays as it was when the container began, as a bind
mount of the old file would.
"""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Mapping
from pathlib import Path

from kubeapi.objects import Object, uid_of
from nodeagent.kubelet.environment import expand, missing_references
from nodeagent.kubelet.references import ConfigError
from nodeagent.kubelet.volumes.claims import is_claimed
from nodeagent.kubelet.volumes.layout import Layout, inside
from nodeagent.kubelet.volumes.payload import is_projected


def container_mounts(
    pod: Object, container: Object, layout: Layout, variables: Mapping[str, str]
) -> list[Object]:
    """Return CRI's mounts; raises ConfigError (CreateContainerConfigError)."""
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
    mounts: list[Object] = []
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        volume = volumes[mount["name"]]
        source = layout.volume(uid_of(pod), volume)
        if is_claimed(volume):
            source = Path(os.path.realpath(source))  # What is mounted is no link.
        part = _sub_path(mount, variables)
        if part:
            apart = layout.sub_path(uid_of(pod), volume["name"], container["name"], index)
            source = _part(source, part, apart if is_projected(volume) else None, mount, container)
        claim = volume.get("persistentVolumeClaim") or {}
        readonly = bool(mount.get("readOnly") or claim.get("readOnly")) or is_projected(volume)
        path = posixpath.join("/", mount["mountPath"])
        mounts.append({"container_path": path, "host_path": str(source), "readonly": readonly})
    return mounts


def _sub_path(mount: Object, variables: Mapping[str, str]) -> str:
    expression = mount.get("subPathExpr") or ""
    missing = missing_references(expression, variables)
    if missing:
        raise ConfigError(f"missing value for {missing[0]!r}")
    text = expand(expression, variables) if expression else mount.get("subPath") or ""
    path = posixpath.normpath(text).strip("/") if text else ""
    if text.startswith("/") or ".." in path.split("/"):
        raise ConfigError(f'error SubPath `{text}` must not be an absolute path or contain ".."')
    return "" if path == "." else path


def _part(source: Path, part: str, apart: Path | None, mount: Object, container: Object) -> Path:
    """Return where the *part* of a volume is, made as a directory when it is not there."""
    try:
        found = inside(source, part)
        if apart is not None:
            return _linked(found, apart)
        if not found.exists():
            found.mkdir(mode=0o750, parents=True)
    except (ConfigError, OSError):
        raise ConfigError(
            f'failed to prepare subPath for volumeMount "{mount["name"]}"'
            f' of container "{container["name"]}"'
        ) from None
    return found


def _linked(found: Path, apart: Path) -> Path:
    """Return *apart*, which is what *found* is now: the same files under names of their own."""
    if apart.is_dir():
        shutil.rmtree(apart)
    apart.unlink(missing_ok=True)
    apart.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    if found.is_dir():
        shutil.copytree(found.resolve(), apart, copy_function=os.link)
    elif found.exists():
        os.link(found.resolve(), apart)
    else:
        apart.mkdir(mode=0o750)
    return apart
