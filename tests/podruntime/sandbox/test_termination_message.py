"""What a container says of its end."""

from __future__ import annotations

import pytest

from podruntime.images.filesystem import FileSystem
from podruntime.sandbox.logfile import LogFile, LogStream
from podruntime.sandbox.termination_message import (
    LOG_LINES_MAX,
    LOG_OCTETS_MAX,
    MESSAGE_OCTETS_MAX,
    PATH_ANNOTATION,
    POLICY_ANNOTATION,
    message_files,
    termination_message,
)

PATH = "/var/log/end"


def annotations(policy="File"):
    return {PATH_ANNOTATION: PATH, POLICY_ANNOTATION: policy}


@pytest.fixture
def files(tmp_path):
    return FileSystem(str(tmp_path / "root"), message_files(annotations()))


@pytest.fixture
def log(tmp_path):
    """Write a log and return its path."""
    path = str(tmp_path / "log" / "0.log")

    def write(text: str) -> str:
        file = LogFile(path, lambda: 0)
        stream = LogStream(file, "stdout")
        stream.write(text.encode())
        stream.end()
        file.close()
        return path

    return write


def test_the_file_is_there_and_what_is_written_is_said(files):
    assert termination_message(files, annotations(), 0, "") == ""
    assert not files.made, "a container that looks at no file has none"
    files.write(PATH, b"out of luck")
    assert termination_message(files, annotations(), 0, "") == "out of luck"
    files.write(PATH, b"x" * MESSAGE_OCTETS_MAX + b"end")
    said = termination_message(files, annotations(), 0, "")
    assert (len(said), said[-3:]) == (MESSAGE_OCTETS_MAX, "end")


def test_a_file_that_cannot_be_read_says_so(files):
    files.remove(PATH) if files.is_file(PATH) else None
    assert termination_message(files, annotations(), 1, "") == ""
    files.make_directory(PATH)
    said = termination_message(files, annotations(), 1, "")
    assert said == f"Error on reading termination log {PATH}: Is a directory"


@pytest.mark.parametrize(
    ("policy", "code", "said"),
    [
        ("FallbackToLogsOnError", 1, "one\ntwo\n"),
        ("FallbackToLogsOnError", 0, ""),
        ("File", 1, ""),
    ],
)
def test_the_logs_end_is_said_by_policy_and_after_an_error(files, log, policy, code, said):
    path = log("one\ntwo")
    assert termination_message(files, annotations(policy), code, path) == said


def test_what_was_written_counts_before_the_log(files, log):
    path = log("one\n")
    files.write(PATH, b"mine")
    assert termination_message(files, annotations("FallbackToLogsOnError"), 1, path) == "mine"


def test_of_a_long_log_the_end_is_said(files, log):
    by_policy = annotations("FallbackToLogsOnError")
    path = log("".join(f"{number}\n" for number in range(500)))
    said = termination_message(files, by_policy, 1, path).splitlines()
    assert said == [str(number) for number in range(500 - LOG_LINES_MAX, 500)]
    path = log("y" * 100_000 + "end")
    said = termination_message(files, by_policy, 1, path)
    assert (len(said), said[-4:]) == (LOG_OCTETS_MAX, "end\n")


def test_a_log_that_is_gone_says_nothing(files, tmp_path):
    by_policy = annotations("FallbackToLogsOnError")
    for path in ("", str(tmp_path / "none")):
        assert termination_message(files, by_policy, 1, path) == ""
