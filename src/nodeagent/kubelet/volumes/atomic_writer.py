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
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from nodeagent.kubelet.volumes.payload import Payload

_DATA: Final = "..data"
_NEW_DATA: Final = "..data_tmp"


def write(volume: Path, payload: Payload) -> bool:
    """Make *volume* hold *payload* and nothing else; return whether it did not already."""
    volume.mkdir(mode=0o755, parents=True, exist_ok=True)
    old = _current(volume)
    if old is not None and _is(old, payload):
        return False
    new = Path(tempfile.mkdtemp(prefix=time.strftime("..%Y_%m_%d_%H_%M_%S."), dir=volume))
    new.chmod(0o755)
    for path, file in payload.items():
        (new / path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _write_file(new / path, file.octets, file.mode)
    link = volume / _NEW_DATA
    with suppress(FileNotFoundError):
        link.unlink()  # Left by a kubelet that was killed right here.
    link.symlink_to(new.name)
    link.replace(volume / _DATA)
    _link_names(volume, payload)
    for each in volume.iterdir():
        if each.name.startswith("..") and each.name not in (_DATA, new.name):
            shutil.rmtree(each, ignore_errors=True)
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


def _write_file(path: Path, octets: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(octets)
        os.fchmod(descriptor, mode)


def _link_names(volume: Path, payload: Payload) -> None:
    """Let each first part of a path be a link into the data, and nothing else be there."""
    names = dict.fromkeys(path.split("/")[0] for path in payload)
    for name in names:
        if not os.path.lexists(volume / name):
            (volume / name).symlink_to(f"{_DATA}/{name}")
    for each in volume.iterdir():
        if each.name not in names and not each.name.startswith(".."):
            each.unlink()
