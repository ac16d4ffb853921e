"""`open` as code in a container knows it: files that the container has are read from there.

So a program that reads /etc/resolv.conf, /etc/hosts, a ConfigMap or a token finds its own, and not
the machine's. Only reading is routed; writing, and `os.stat` and its kin, stay the process's.
"""

from __future__ import annotations

import builtins
import io
import os

from podruntime.sandbox.owner import CURRENT


def _of_container(file: object, mode: str) -> bytes | None:
    owner = CURRENT.get()
    if owner is None or owner.files is None or not set(mode) <= set("rbt"):
        return None
    if not isinstance(file, str | os.PathLike):
        return None
    path = os.fspath(file)
    if not isinstance(path, str) or not path.startswith("/") or not owner.files.is_file(path):
        return None
    return owner.files.read(path)


class _File(io.BytesIO):
    """A file of a container, opened for reading."""

    mode = "rb"

    def __init__(self, octets: bytes, name: str) -> None:
        super().__init__(octets)
        self.name = name


def install() -> None:
    """Route `open` of this process and its forks."""
    original = io.open

    def routed(file: object, mode: str = "r", *arguments: object, **options: object) -> object:
        octets = _of_container(file, mode)
        if octets is None:
            return original(file, mode, *arguments, **options)  # type: ignore[call-overload]
        opened = _File(octets, str(file))
        if "b" in mode:
            return opened
        given = dict(zip(("buffering", "encoding", "errors", "newline"), arguments, strict=False))
        given.update(options)
        text = {name: given[name] for name in ("encoding", "errors", "newline") if name in given}
        return io.TextIOWrapper(opened, **text)  # type: ignore[arg-type]

    builtins.open = routed  # type: ignore[assignment]
    io.open = routed  # type: ignore[assignment]
