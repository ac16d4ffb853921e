"""The file: it grows, it is turned over, and a disk that takes nothing stops nobody."""

from __future__ import annotations

import os

import pytest

from controlplane.apiserver.audit.log import AuditLog


def test_lines_are_appended_and_the_file_is_turned_over(tmp_path):
    path = tmp_path / "audit.log"
    path.write_bytes(b"old\n")
    log = AuditLog(path, octets_max=10)
    log.write(b"one\n")
    assert path.read_bytes() == b"old\none\n"
    log.write(b"two\n")
    assert path.read_bytes() == b"two\n"
    assert (tmp_path / "audit.log.1").read_bytes() == b"old\none\n"
    log.write(b"a line of its own\n")
    assert path.read_bytes() == b"a line of its own\n"
    assert path.stat().st_mode & 0o777 == 0o600
    log.close()


def test_a_disk_that_takes_nothing_is_told_once(tmp_path, caplog, monkeypatch):
    log = AuditLog(tmp_path / "audit.log")

    def full(_file, _line):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        log.write(b"one\n")
        log.write(b"two\n")
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == [
        "No space left on device"
    ]
    log.write(b"three\n")
    assert (tmp_path / "audit.log").read_bytes() == b"three\n"
    log.close()


def test_a_place_that_is_none_is_told(tmp_path):
    with pytest.raises(OSError, match="none"):
        AuditLog(tmp_path / "none" / "audit.log")
