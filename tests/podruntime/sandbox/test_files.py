"""Files of a container as Python's own modules show them."""

from __future__ import annotations

import asyncio
import errno
import glob
import io
import mmap
import os
import pickle
import posix
import shutil
import ssl
import tarfile
import tempfile
import threading
from pathlib import Path

import pytest

from podruntime.images.filesystem import FileSystem
from podruntime.sandbox.owner import CURRENT, Owner

from .pods import TwoPods

pytestmark = pytest.mark.usefixtures("boundary")


def owner() -> Owner:
    found = CURRENT.get()
    assert found is not None
    return found


@pytest.fixture
def inside(tmp_path):
    """Run a function as a container's code with a volume at /data and one at /etc/config."""
    for name in ("data", "config"):
        (tmp_path / name).mkdir()
    (tmp_path / "config" / "key").write_text("value")

    def run(function):
        files = FileSystem(str(tmp_path / "root"), {"/etc/resolv.conf": "nameserver 10.96.0.10\n"})
        files.mount("/data", str(tmp_path / "data"))
        files.mount("/etc/config", str(tmp_path / "config"), readonly=True)

        async def scenario(_pods: TwoPods) -> None:
            owner().files = files
            result = function()
            if result is not None:
                await result

        TwoPods().run(scenario)

    return run


def test_open_reads_and_writes(inside, tmp_path):
    def program():
        with open("/etc/resolv.conf") as file:
            assert list(file) == ["nameserver 10.96.0.10\n"]
            assert file.name == "/etc/resolv.conf"
        with io.open("/etc/resolv.conf", "rb") as file:  # noqa: UP020 - what pathlib calls.
            assert file.read(10) == b"nameserver"
        with open("/data/file", "x", encoding="utf-8") as file:
            file.write("ä\n")
        with open(b"/data/file", "ab") as file:
            file.write(b"more")
        assert Path("/data/file").read_text(encoding="utf-8") == "ä\nmore"
        with pytest.raises(FileNotFoundError, match=r"'/etc/no-such-file'$"):
            Path("/etc/no-such-file").read_text()
        with pytest.raises(FileNotFoundError):
            Path(tmp_path / "config" / "key").read_text()  # The machine's path means nothing here.

    inside(program)
    assert (tmp_path / "data" / "file").read_bytes() == "ä\nmore".encode()


def test_paths_are_relative_to_the_containers_working_directory(inside, tmp_path):
    machines = os.getcwd()

    def program():
        assert (os.getcwd(), os.getcwdb(), Path.cwd()) == ("/", b"/", Path("/"))
        os.chdir("data")
        Path("here").write_text("x")
        assert os.path.abspath("here") == "/data/here"
        assert os.path.realpath("here") == "/data/here"
        assert Path("/data/here").samefile("here")
        with pytest.raises(NotADirectoryError):
            os.chdir("here")
        with pytest.raises(FileNotFoundError):
            os.chdir("/absent")

    inside(program)
    assert os.getcwd() == machines
    assert (tmp_path / "data" / "here").read_text() == "x"


def test_the_tree_of_os_and_its_kin(inside, tmp_path):
    def program():
        os.makedirs("/data/a/b")
        Path("/data/a/b/c.txt").write_text("text")
        assert os.stat("/data/a/b/c.txt").st_size == 4
        assert os.path.exists("/data/a")
        assert os.path.isdir(b"/data/a")
        assert not os.path.exists(tmp_path)
        os.rename("/data/a/b/c.txt", "/data/a/d.txt")
        os.replace("/data/a/d.txt", "/data/e.txt")
        assert sorted(os.listdir("/data")) == ["a", "e.txt"]
        assert sorted(os.listdir(b"/data")) == [b"a", b"e.txt"]
        os.chmod("/data/e.txt", 0o600)
        assert os.stat("/data/e.txt").st_mode & 0o777 == 0o600
        os.utime("/data/e.txt", (1, 2))
        assert os.path.getmtime("/data/e.txt") == 2
        os.truncate("/data/e.txt", 1)
        assert os.path.getsize("/data/e.txt") == 1
        assert [each[0] for each in os.walk("/data")] == ["/data", "/data/a", "/data/a/b"]
        assert sorted(glob.glob("/data/*")) == ["/data/a", "/data/e.txt"]
        assert sorted(map(str, Path("/data").rglob("*"))) == [
            "/data/a",
            "/data/a/b",
            "/data/e.txt",
        ]
        with os.scandir("/data") as entries:
            found = {each.name: (each.path, each.is_dir(), each.stat().st_size) for each in entries}
        assert found["e.txt"] == ("/data/e.txt", False, 1)
        assert found["a"][:2] == ("/data/a", True)
        os.unlink("/data/e.txt")
        os.removedirs("/data/a/b")

    inside(program)
    assert os.listdir(tmp_path / "data") == [], "removedirs ended at the mount point"


def test_links_lead_where_they_do_in_the_container(inside, tmp_path):
    def program():
        Path("/target").write_text("the container's own")
        os.symlink("/target", "/data/link")
        os.symlink("/etc", "/data/dir")
        assert os.readlink("/data/link") == "/target"
        assert Path("/data/link").read_text() == "the container's own"
        assert Path("/data/link").resolve() == Path("/target")
        assert os.path.islink("/data/link")
        entries = {each.name: each for each in os.scandir("/data")}
        assert entries["link"].is_symlink()
        assert entries["link"].is_file()
        assert entries["dir"].is_dir()
        assert not entries["dir"].is_dir(follow_symlinks=False)
        os.symlink("/etc/passwd", "/data/passwd")
        assert not os.path.exists("/data/passwd")
        os.link("/target", "/hard")
        assert os.stat("/hard").st_nlink == 2
        with pytest.raises(OSError, match="cross-device") as crossing:
            os.link("/target", "/data/hard")
        assert crossing.value.errno == errno.EXDEV
        shutil.move("/target", "/data/moved")
        assert Path("/data/moved").read_text() == "the container's own"

    inside(program)
    assert (tmp_path / "data" / "moved").exists()


def test_a_read_only_volume_is(inside, tmp_path):
    def program():
        assert Path("/etc/config/key").read_text() == "value"
        assert os.access("/etc/config/key", os.R_OK)
        assert not os.access("/etc/config/key", os.W_OK)
        assert os.access("/data", os.W_OK)
        for change in (
            lambda: Path("/etc/config/key").write_text("x"),
            lambda: Path("/etc/config/new").touch(),
            lambda: os.open("/etc/config/key", os.O_RDWR),
            lambda: os.remove("/etc/config/key"),
            lambda: os.mkdir("/etc/config/dir"),
            lambda: os.chmod("/etc/config/key", 0o777),
            lambda: os.rename("/etc/config/key", "/etc/config/other"),
            lambda: os.symlink("/x", "/etc/config/link"),
            lambda: os.utime("/etc/config/key"),
        ):
            with pytest.raises(OSError, match="Read-only file system") as caught:
                change()
            assert caught.value.errno == errno.EROFS
        with pytest.raises(OSError, match="busy"):
            os.rename("/data", "/elsewhere")
        with pytest.raises(OSError, match="busy"):
            os.rmdir("/data")
        with pytest.raises(PermissionError):
            os.chroot("/data")

    inside(program)
    assert os.listdir(tmp_path / "config") == ["key"]


def test_modules_made_of_these(inside, tmp_path):
    def program():
        with tempfile.TemporaryDirectory() as directory:
            assert directory.startswith("/tmp/")
            shutil.copytree("/etc", f"{directory}/etc")
            assert Path(f"{directory}/etc/config/key").read_text() == "value"
        assert not os.path.exists(directory)
        with tempfile.NamedTemporaryFile(dir="/data") as file:
            file.write(b"x" * 100)
            file.flush()
            assert os.listdir("/data") == [os.path.basename(file.name)]
        shutil.copy("/etc/config/key", "/data/copy")
        with open("/data/copy", "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
            mapped[0:1] = b"V"
        descriptor = os.open("/data/copy", os.O_RDONLY)
        assert os.read(descriptor, 10) == b"Value"
        os.close(descriptor)
        shutil.rmtree("/etc", ignore_errors=True)
        assert os.listdir("/etc/config") == ["key"]

    inside(program)
    assert (tmp_path / "data" / "copy").read_text() == "Value"
    assert (tmp_path / "config" / "key").read_text() == "value"


def test_threads_are_their_containers_too(inside, tmp_path):
    async def program():
        def write(name):
            Path(name).write_text(str(Path("/etc/config/key").read_text()))

        thread = threading.Thread(target=write, args=("/data/thread",))
        thread.start()
        await asyncio.to_thread(write, "/data/to_thread")
        await asyncio.get_running_loop().run_in_executor(None, write, "/data/executor")
        thread.join(5)

    inside(program)
    assert sorted(os.listdir(tmp_path / "data")) == ["executor", "thread", "to_thread"]


def test_certificates_are_the_containers(inside, tmp_path, certificate):
    (tmp_path / "data" / "tls.pem").write_bytes(certificate.read_bytes())

    def program():
        context = ssl.create_default_context(cafile="/data/tls.pem")
        assert context.cert_store_stats()["x509"] == 1
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain("/data/tls.pem")
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile="/data/tls.pem")
        with pytest.raises(FileNotFoundError):
            ssl.create_default_context(cafile=str(certificate))

    inside(program)


def test_the_machinery_sees_the_machines_files(inside, tmp_path):
    def program():
        assert posix.stat(tmp_path / "config").st_ino
        CURRENT.set(None)
        assert (tmp_path / "config" / "key").read_text() == "value"
        assert not os.path.exists("/data/x")

    inside(program)


def test_who_holds_a_directory_open_works_in_it(inside):
    def program():
        os.mkdir("/data/dir")
        directory = os.open("/data/dir", os.O_RDONLY)
        try:
            os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=directory))
            assert os.listdir(directory) == ["file"]
            os.rename("file", "other", src_dir_fd=directory, dst_dir_fd=directory)
            assert os.stat("other", dir_fd=directory).st_size == 0
            os.unlink("other", dir_fd=directory)
        finally:
            os.close(directory)

    inside(program)


def test_links_below_an_open_directory_stay_in_the_container(inside, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("the machine's")

    def program():
        os.makedirs("/data/dir/real")
        os.symlink(str(outside), "/data/dir/out")
        os.symlink("/data/dir/real", "/data/dir/in")
        directory = os.open("/data/dir", os.O_RDONLY)
        try:
            for path in ("out/secret", str(outside / "secret"), f"../../..{outside}/secret"):
                with pytest.raises(FileNotFoundError):
                    os.open(path, os.O_RDONLY, dir_fd=directory)
            with pytest.raises(FileNotFoundError):
                os.open("out/new", os.O_CREAT | os.O_WRONLY, dir_fd=directory)
            assert not os.access("out/secret", os.R_OK, dir_fd=directory)
            with pytest.raises(FileNotFoundError):
                os.rename("real", "out/real", src_dir_fd=directory, dst_dir_fd=directory)
            with os.scandir(directory) as entries:
                kinds = {each.path: each.is_dir() for each in entries}
            assert kinds == {"real": True, "in": True, "out": False}
            os.close(os.open("in/file", os.O_CREAT | os.O_WRONLY, dir_fd=directory))
            assert os.listdir("/data/dir/real") == ["file"]
            os.symlink("real", "again", dir_fd=directory)
            assert os.readlink("again", dir_fd=directory) == "real"
        finally:
            os.close(directory)
        shutil.rmtree("/data/dir")
        assert os.listdir("/data") == []

    inside(program)
    assert os.listdir(outside) == ["secret"]


def test_an_open_directory_of_a_read_only_volume_is_read_only(inside):
    def program():
        directory = os.open("/etc/config", os.O_RDONLY)
        try:
            with pytest.raises(OSError, match="Read-only file system"):
                os.unlink("key", dir_fd=directory)
            assert os.stat("key", dir_fd=directory).st_size == 5
        finally:
            os.close(directory)

    inside(program)


def test_modules_that_took_open_by_name_have_the_containers(inside, tmp_path):
    def program():
        Path("/data/file").write_text("text")
        with tarfile.open("/data/all.tar", "w") as archive:
            archive.add("/data/file", "file")
        os.mkdir("/data/to")
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Not in 3.11.2.
        shutil.unpack_archive("/data/all.tar", "/data/to", **safely)
        assert Path("/data/to/file").read_text() == "text"

    inside(program)
    assert (tmp_path / "data" / "all.tar").exists()


def test_functions_do_not_become_methods(inside, tmp_path):
    def program():
        class Holder:
            remove, open = os.remove, open

        Holder().open("/data/file", "w").close()
        Holder().remove("/data/file")
        assert not os.path.exists("/data/file")

    inside(program)


def test_a_slash_at_the_end_means_a_directory(inside):
    def program():
        Path("/data/file").write_text("x")
        os.mkdir("/data/new/")
        os.symlink("new", "/data/link")
        with pytest.raises(NotADirectoryError):
            os.stat("/data/file/")
        with pytest.raises(IsADirectoryError):
            os.open("/data/none/", os.O_CREAT | os.O_WRONLY)
        with pytest.raises(NotADirectoryError):
            os.unlink("/data/file/")
        assert os.path.islink("/data/link")
        assert not os.path.islink("/data/link/"), "what it leads to"
        with pytest.raises(NotADirectoryError):
            os.rmdir("/data/link/")
        os.rmdir("/data/new/")

    inside(program)


def test_entries_are_entries(inside):
    def program():
        os.symlink("/etc/config/key", "/data/link")
        with os.scandir("/data") as entries:
            (entry,) = entries
        assert isinstance(entry, os.DirEntry)
        assert os.DirEntry[str]
        assert (entry.name, entry.path, os.fspath(entry)) == ("link", "/data/link", "/data/link")
        assert entry.is_file()
        assert not entry.is_file(follow_symlinks=False)
        assert entry.stat().st_size == 5
        with pytest.raises(TypeError):
            pickle.dumps(entry)
        with os.scandir(b"/data") as entries:
            assert [each.path for each in entries] == [b"/data/link"]

    inside(program)


def test_raw_files_are_the_containers(inside, tmp_path):
    def program():
        class Own(io.FileIO):
            pass

        with Own("/etc/config/key") as file:
            assert isinstance(file, io.FileIO)
            assert file.read() == b"value"
        with io.FileIO("/data/raw", "w") as file:
            assert file.name == "/data/raw"
            file.write(b"octets")
        with open("/data/raw", "rb", buffering=0) as file:
            assert isinstance(file, io.FileIO)
            assert not isinstance(file, Own)
            assert file.read() == b"octets"
        with io.BufferedReader(io.FileIO("/etc/config/key")) as reader:
            assert reader.read() == b"value"

    inside(program)
    assert (tmp_path / "data" / "raw").read_bytes() == b"octets"
