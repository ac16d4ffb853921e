"""What a container says of its end: the file at terminationMessagePath, or the end of its log.

Upstream: kuberuntime_container.go, getTerminationMessage and readLastStringFromContainerLogs; the
kubelet names path and policy by the same annotations. It is read when the container ends: what a
container of a killed pod wrote is not told.
"""

from __future__ import annotations

import os
import posix
from collections.abc import Mapping
from typing import Final

from podruntime.images.filesystem import FileSystem
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
        descriptor = posix.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""  # Somebody has removed it.
    try:
        size = os.fstat(descriptor).st_size
        begin = max(0, size - _TAIL_OCTETS)
        lines = os.pread(descriptor, _TAIL_OCTETS, begin).splitlines(keepends=True)
    finally:
        os.close(descriptor)
    texts = [_text(line) for line in lines[1 if begin else 0 :]]
    text = b"".join(b"".join(texts).splitlines(keepends=True)[-LOG_LINES_MAX:])
    return text[-LOG_OCTETS_MAX:].decode(errors="replace")


def _text(line: bytes) -> bytes:
    """Return what one line of the CRI log format says."""
    parts = line.rstrip(b"\n").split(b" ", 3)
    if len(parts) < 4:
        return b""
    return parts[3] + (b"\n" if parts[2] == b"F" else b"")
