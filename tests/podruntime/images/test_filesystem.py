"""A container's files, and volumes that several containers see."""

from __future__ import annotations

import errno

import pytest

from podruntime.images.filesystem import FileSystem, Tree

NOW = 1_000.0


def test_what_one_container_writes_to_a_volume_the_other_reads():
    volume = Tree()
    one, other = FileSystem({}, NOW), FileSystem({"/srv/old": "shadowed"}, NOW)
    one.mount("/desk", volume)
    other.mount("/srv", volume)
    one.make_directory("/desk/a/b", parents=True)
    one.write("/desk/a/b/page", b"text", NOW)
    assert other.read("/srv/a/b/page") == b"text"
    assert other.list("/srv") == ["a"]
    assert other.list("/") == sorted([*FileSystem({}, NOW).list("/"), "srv"])
    other.remove("/srv/a", recursive=True)
    assert one.list("/desk") == []


def test_a_sub_path_shows_one_directory_of_a_volume():
    volume = Tree()
    whole, part = FileSystem({}, NOW), FileSystem({}, NOW)
    part.mount("/part", volume, "deep/down")
    whole.mount("/whole", volume)
    part.write("/part/file", b"x", NOW)
    assert whole.read("/whole/deep/down/file") == b"x"


def test_the_innermost_mount_counts():
    outer, inner = Tree(), Tree()
    files = FileSystem({}, NOW)
    files.mount("/data", outer)
    files.mount("/data/cache", inner)
    files.write("/data/cache/x", b"1", NOW)
    files.write("/data/y", b"2", NOW)
    assert (inner.read("/x"), outer.read("/y")) == (b"1", b"2")
    files.put({"/data/conf/z": "3"}, NOW)
    assert files.text("/data/conf/z") == "3"


def test_errors_name_the_path_that_was_asked_for():
    files = FileSystem({}, NOW)
    files.mount("/desk", Tree())
    with pytest.raises(FileNotFoundError) as caught:
        files.read("/desk/absent")
    assert caught.value.filename == "/desk/absent"
    with pytest.raises(OSError, match="busy") as busy:
        files.remove("/desk", recursive=True)
    assert busy.value.errno == errno.EBUSY


def test_a_null_device_swallows_and_a_file_has_no_children():
    files = FileSystem({"/a": "x"}, NOW)
    files.write("/dev/null", b"gone", NOW)
    assert files.read("/dev/null") == b""
    with pytest.raises(FileNotFoundError):
        files.write("/a/b", b"", NOW)
    with pytest.raises(IsADirectoryError):
        files.read("/etc")
