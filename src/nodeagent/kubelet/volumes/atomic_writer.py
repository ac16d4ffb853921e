"""Writing a volume's files so that a reader sees all of the old ones or all of the new ones.

Upstream: pkg/volume/util/atomic_writer.go. In the volume each file is a link to `..data/FILE`, and
`..data` a link to a directory with the time in its name; an update makes another directory and
exchanges that one link. Who holds an old file open keeps it.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from nodeagent.kubelet.volumes.payload import Payload

_DATA: Final = "..data"
_NEW_DATA: Final = "..data_tmp"


def write(volume: Path, payload: Payload) -> bool:
    """Make *volume* hold *payload* and nothing else; return whether it did not already."""
    old = _current(volume)
    if old is not None and _is(old, payload):
        return False
    os.makedirs(volume, 0o755, exist_ok=True)
    new = tempfile.mkdtemp(prefix=time.strftime("..%Y_%m_%d_%H_%M_%S."), dir=volume)
    os.chmod(new, 0o755)
    for path, file in payload.items():
        if "/" in path:
            os.makedirs(os.path.dirname(f"{new}/{path}"), 0o755, exist_ok=True)
        _write_file(f"{new}/{path}", file.octets, file.mode)
    name, link = os.path.basename(new), volume / _NEW_DATA
    with suppress(FileNotFoundError):
        link.unlink()  # Left by a kubelet that was killed right here.
    link.symlink_to(name)
    link.replace(volume / _DATA)
    names = dict.fromkeys(path.split("/")[0] for path in payload)
    for each in names:
        with suppress(FileExistsError):
            os.symlink(f"{_DATA}/{each}", volume / each)
    _clean(volume, {_DATA, name, *names})
    return True


def _current(volume: Path) -> Path | None:
    try:
        return volume / os.readlink(volume / _DATA)
    except OSError:
        return None


def _is(directory: Path, payload: Payload) -> bool:
    """Tell whether *directory* holds just these files."""
    if sorted(_files(directory)) != sorted(payload):
        return False
    for path, file in payload.items():
        at = directory / path
        try:
            if stat.S_IMODE(at.stat().st_mode) != file.mode or at.read_bytes() != file.octets:
                return False
        except OSError:
            return False
    return True


def _files(directory: Path) -> Iterator[str]:
    for parent, _names, files in os.walk(directory):
        for name in files:
            yield os.path.relpath(os.path.join(parent, name), directory)


def _write_file(path: str, octets: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(octets)
        os.fchmod(descriptor, mode)


def _clean(volume: Path, kept: Collection[str]) -> None:
    """Remove what is not of the payload: old data, and links to files that are gone."""
    for name in os.listdir(volume):
        if name in kept:
            continue
        if name.startswith(".."):
            shutil.rmtree(volume / name, ignore_errors=True)
        else:
            os.unlink(volume / name)
