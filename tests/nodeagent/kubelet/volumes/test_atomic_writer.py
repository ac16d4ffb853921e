"""All files of a volume change at once, in upstream's layout."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodeagent.kubelet.volumes.atomic_writer import write
from nodeagent.kubelet.volumes.payload import FileProjection


def payload(**files):
    return {
        name.replace("__", "/"): FileProjection(text.encode(), 0o640)
        for name, text in files.items()
    }


def tree(volume):
    """Return the files that a reader sees, by path."""
    found = {}
    for parent, directories, files in os.walk(volume, followlinks=True):
        directories[:] = [name for name in directories if not name.startswith("..")]
        for name in files:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, volume)] = file.read().decode(errors="replace")
    return found


def test_files_are_links_into_a_directory_that_is_exchanged(tmp_path):
    volume = tmp_path / "v"
    assert write(volume, payload(key="1", dir__deep="2"))
    assert sorted(os.listdir(volume))[1:] == ["..data", "dir", "key"]
    assert os.readlink(volume / "key") == "..data/key"
    assert os.readlink(volume / "dir") == "..data/dir"
    assert (volume / "key").stat().st_mode & 0o777 == 0o640
    first = os.readlink(volume / "..data")
    assert first.startswith("..20")
    assert not write(volume, payload(key="1", dir__deep="2")), "nothing has changed"
    assert os.readlink(volume / "..data") == first
    held = (volume / "key").open()
    assert write(volume, payload(key="changed", other="3"))
    assert tree(volume) == {"key": "changed", "other": "3"}
    assert sorted(os.listdir(volume))[1:] == ["..data", "key", "other"]
    assert held.read() == "1", "who holds the old file open keeps it"
    held.close()


def test_a_mode_that_changes_is_a_change(tmp_path):
    volume = tmp_path / "v"
    write(volume, {"k": FileProjection(b"x", 0o644)})
    assert write(volume, {"k": FileProjection(b"x", 0o400)})
    assert (volume / "k").stat().st_mode & 0o777 == 0o400


def test_a_kubelet_that_was_killed_in_the_middle_is_continued(tmp_path):
    volume = tmp_path / "v"
    write(volume, payload(a="1"))
    (volume / "..2020_01_01_00_00_00.x").mkdir()
    (volume / "..data_tmp").symlink_to("..2020_01_01_00_00_00.x")
    assert write(volume, payload(a="2"))
    assert len(os.listdir(volume)) == 3
    assert tree(volume) == {"a": "2"}


def test_an_empty_volume_is_there(tmp_path):
    assert write(tmp_path / "v", {})
    assert tree(tmp_path / "v") == {}
    assert not write(tmp_path / "v", {})


PATHS = st.sampled_from(["a", "b", "c/x", "c/y", "d/e/f"])
PAYLOADS = st.dictionaries(
    PATHS, st.builds(FileProjection, st.binary(max_size=8), st.sampled_from([0o400, 0o644]))
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(PAYLOADS, min_size=1, max_size=4))
def test_after_any_updates_a_reader_sees_the_last(tmp_path_factory, steps):
    volume = tmp_path_factory.mktemp("volume")
    for each in steps:
        write(volume, each)
    data = volume / "..data"
    for path, file in steps[-1].items():
        assert (volume / path).read_bytes() == file.octets
    assert sorted(tree(volume)) == sorted(steps[-1])
    assert data.is_dir()
    assert sum(name.startswith("..") for name in os.listdir(volume)) == 2
