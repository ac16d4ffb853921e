"""A container's files, and volumes that several containers see."""

from __future__ import annotations

import errno
import os

import pytest

from podruntime.images.filesystem import FileSystem

from .processes import process, run


@pytest.fixture
def volume(tmp_path):
    path = tmp_path / "volume"
    path.mkdir()
    return path


@pytest.fixture
def make(tmp_path):
    """Make file systems of containers."""
    made = []

    def one(files=None, working_dir="/"):
        made.append(FileSystem(str(tmp_path / f"root-{len(made)}"), files or {}, working_dir))
        return made[-1]

    return one


def test_who_asks_for_no_file_has_none_and_the_image_answers_for_its_own(make, tmp_path):
    files = make({"/etc/resolv.conf": "nameserver 10.96.0.10\n"})
    assert files.text("/etc/resolv.conf") == "nameserver 10.96.0.10\n"
    assert not files.made
    assert list(tmp_path.iterdir()) == []
    assert files.list("/") == ["bin", "dev", "etc", "home", "proc", "root", "tmp", "usr", "var"]
    assert files.made
    assert files.text("/etc/resolv.conf") == "nameserver 10.96.0.10\n"
    assert files.text("/absent") == ""


def test_what_one_container_writes_to_a_volume_the_other_reads(make, volume):
    one, other = make(), make({"/srv/old": "shadowed"})
    one.mount("/desk", str(volume))
    other.mount("/srv", str(volume))
    one.make_directory("/desk/a/b", parents=True)
    one.write("/desk/a/b/page", b"text")
    assert other.read("/srv/a/b/page") == b"text"
    assert other.list("/srv") == ["a"]
    assert other.list("/") == sorted([*make().list("/"), "srv"])
    other.remove("/srv/a", recursive=True)
    assert one.list("/desk") == []


def test_the_innermost_mount_counts(make, volume, tmp_path):
    (volume / "deep").mkdir()
    (tmp_path / "file").write_text("one file")
    files = make()
    files.mount("/data", str(volume))
    files.mount("/data/cache", str(volume / "deep"))
    files.mount("/etc/one.conf", str(tmp_path / "file"), readonly=True)
    files.write("/data/cache/x", b"1")
    files.write("/data/y", b"2")
    assert sorted(os.listdir(volume)) == ["cache", "deep", "y"]
    assert files.list("/data/cache") == ["x"]
    assert (volume / "deep" / "x").read_text() == "1"
    assert files.text("/etc/one.conf") == "one file"
    assert files.list("/etc") == ["one.conf"]
    files.mount("/late", str(volume))
    assert "late" in files.list("/"), "also one that comes later is listed"


def test_writing_through_a_read_only_mount_is_refused(make, volume):
    (volume / "file").write_text("as it was")
    files = make()
    files.mount("/etc/config", str(volume), readonly=True)
    for change in (
        lambda: files.write("/etc/config/file", b"x"),
        lambda: files.write("/etc/config/new", b"x"),
        lambda: files.remove("/etc/config/file"),
        lambda: files.make_directory("/etc/config/dir"),
        lambda: files.touch("/etc/config/file"),
        lambda: files.rename("/etc/config/file", "/etc/config/other"),
        lambda: files.change_mode("/etc/config/file", 0o777),
    ):
        with pytest.raises(OSError, match="Read-only file system") as caught:
            change()
        assert caught.value.errno == errno.EROFS
        assert caught.value.filename.startswith("/etc/config/")
    assert os.listdir(volume) == ["file"]
    assert files.text("/etc/config/file") == "as it was"


def test_errors_name_the_path_that_was_asked_for(make, volume):
    files = make({"/a": "x"})
    files.mount("/desk", str(volume))
    with pytest.raises(FileNotFoundError) as caught:
        files.read("/desk/absent")
    assert caught.value.filename == "/desk/absent"
    with pytest.raises(OSError, match="busy") as busy:
        files.remove("/desk", recursive=True)
    assert busy.value.errno == errno.EBUSY
    with pytest.raises(OSError, match="cross-device") as crossing:
        files.rename("/a", "/desk/a")
    assert crossing.value.errno == errno.EXDEV
    with pytest.raises(NotADirectoryError):
        files.write("/a/b", b"")
    with pytest.raises(IsADirectoryError):
        files.read("/etc")
    with pytest.raises(IsADirectoryError):
        files.remove("/etc")


def test_devices_are_the_machines(make):
    files = make()
    files.write("/dev/null", b"gone")
    assert files.read("/dev/null") == b""
    assert files.list("/dev") == ["full", "null", "random", "urandom", "zero"]
    with pytest.raises(OSError, match="too large"):
        files.read("/dev/zero")
    with pytest.raises(OSError, match="No space left"):
        files.write("/dev/full", b"x")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/etc/passwd", "/link"),
        ("../../../../../../etc/passwd", "/a/link"),
        ("/", "/link/etc/passwd"),
        ("../../..", "/a/link/etc/passwd"),
        ("/link2", "/link"),
    ],
)
def test_no_link_leads_out_of_the_view(make, target, path):
    files = make({"/a/file": "x"})
    files.link(target, path.partition("link")[0] + "link", symbolic=True)
    files.link("/etc/passwd", "/link2", symbolic=True)
    assert files.stat(path) is None, "the machine has this file, the container has not"
    files.write(path, b"mine")
    assert files.read("/etc/passwd") == b"mine"
    with open("/etc/passwd", "rb") as machines:
        assert machines.read() != b"mine"


def test_dots_and_loops(make):
    files = make({"/a/b/file": "x"})
    assert files.read("/a/../a/./b//file") == b"x"
    assert files.read("/../../../a/b/file") == b"x"
    with pytest.raises(FileNotFoundError):
        files.read("/a/absent/../b/file")
    files.link("/loop", "/loop", symbolic=True)
    with pytest.raises(OSError, match="symbolic links") as loop:
        files.read("/loop")
    assert loop.value.errno == errno.ELOOP


def test_a_working_directory_is_made(make):
    assert make(working_dir="/srv/app").is_directory("/srv/app")


@pytest.mark.asyncio
async def test_ls_shows_modes_and_links(volume):
    (volume / "..data").symlink_to("2026")
    (volume / "2026").mkdir(mode=0o755)
    (volume / "2026" / "key").write_text("value")
    (volume / "2026" / "key").chmod(0o400)
    (volume / "key").symlink_to("..data/key")
    made = process(["sh", "-c", "ls -Al /etc/v; cat /etc/v/key; ls -l /etc/v/..data/key"])
    made.files.mount("/etc/v", str(volume), readonly=True)
    program = made.programs["sh"]
    assert await program(made) == 0
    total, *lines = made.stdout.taken().decode().splitlines()
    assert total.startswith("total ")
    assert lines[0].startswith("lrwxrwxrwx")
    assert lines[0].endswith("..data -> 2026")
    assert lines[2].endswith("key -> ..data/key")
    assert lines[3].startswith("value-r--------")


@pytest.mark.asyncio
async def test_files_are_moved_linked_and_given_modes(volume):
    script = "echo 1 > /a; mv /a /b; chmod 600 /b; ln -s /b /c; ln /b /d; cat /c; ls -l /d"
    status, out, err = await run(["sh", "-c", script])
    assert (status, err) == (0, "")
    assert out.startswith("1\n-rw-------    2 root")
    status, _, err = await run(["chmod", "u+x", "/b"])
    assert (status, err) == (1, "chmod: invalid mode 'u+x': here modes are octal\n")
