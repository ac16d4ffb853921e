"""What a container says of its end: the file at terminationMessagePath, or the end of its log.

Upstream: kuberuntime_container.go, getTerminationMessage and readLastStringFromContainerLogs; the
kubelet names path and policy by the same annotations. It is read when the container ends, by the
pod's process; when that was killed, by the runtime, who knows no volumes: what was written into
one is not told then.
"""

from __future__ import annotations

import os
import posix
from collections.abc import Mapping
from typing import Final

from podruntime.images.filesystem import FileSystem
from podruntime.images.view import View
from podruntime.sandbox.logfile import LINE_OCTETS_MAX

PATH_ANNOTATION: Final = "io.kubernetes.container.terminationMessagePath"
POLICY_ANNOTATION: Final = "io.kubernetes.container.terminationMessagePolicy"
_FALLBACK: Final = "FallbackToLogsOnError"
MESSAGE_OCTETS_MAX: Final = 4096
LOG_OCTETS_MAX: Final = 2048
LOG_LINES_MAX: Final = 80
#: Of the log: the first line may be cut off, and all have a time and a stream before their text.
_TAIL_OCTETS: Final = LINE_OCTETS_MAX + LOG_OCTETS_MAX + (LOG_LINES_MAX + 1) * 64


def message_files(annotations: Mapping[str, str]) -> dict[str, str]:
    """Return the file that the container finds for its message."""
    path = annotations.get(PATH_ANNOTATION)
    return {path: ""} if path else {}


def termination_message(
    files: FileSystem, annotations: Mapping[str, str], exit_code: int, log_path: str
) -> str:
    """Return the message of a container that has ended."""
    said = _written(files, annotations.get(PATH_ANNOTATION, ""))
    if said or exit_code == 0 or annotations.get(POLICY_ANNOTATION) != _FALLBACK:
        return said
    return _end_of_log(log_path)


def message_of_killed(root: str, annotations: Mapping[str, str], log_path: str) -> str:
    """Return the message of a container whose files are below *root* and whose pod was killed."""
    said, path = "", annotations.get(PATH_ANNOTATION, "")
    if path:
        try:
            real = View(root).find(path).path
            said = _tail(real, MESSAGE_OCTETS_MAX)[1].decode(errors="replace")
        except OSError:
            pass  # It never looked at a file, or it has put something else there.
    if said or annotations.get(POLICY_ANNOTATION) != _FALLBACK:
        return said
    return _end_of_log(log_path)


def _tail(path: str, octets_max: int) -> tuple[bool, bytes]:
    """Return whether more stands before them, and the last octets of a file; raises OSError."""
    descriptor = posix.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        begin = max(0, os.fstat(descriptor).st_size - octets_max)
        return begin > 0, os.pread(descriptor, octets_max, begin)
    finally:
        os.close(descriptor)


def _written(files: FileSystem, path: str) -> str:
    if not path or not files.made:
        return ""
    try:
        return files.read(path)[-MESSAGE_OCTETS_MAX:].decode(errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"Error on reading termination log {path}: {error.strerror}"


def _end_of_log(path: str) -> str:
    if not path:
        return ""
    try:
        cut, octets = _tail(path, _TAIL_OCTETS)
    except OSError:
        return ""  # Somebody has removed it.
    lines = octets.splitlines(keepends=True)[1 if cut else 0 :]
    texts = [_text(line) for line in lines]
    text = b"".join(b"".join(texts).splitlines(keepends=True)[-LOG_LINES_MAX:])
    return text[-LOG_OCTETS_MAX:].decode(errors="replace")


def _text(line: bytes) -> bytes:
    """Return what one line of the CRI log format says."""
    parts = line.rstrip(b"\n").split(b" ", 3)
    if len(parts) < 4:
        return b""
    return parts[3] + (b"\n" if parts[2] == b"F" else b"")
