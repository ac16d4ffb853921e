"""Paths of a view, held against the kernel's own way below a root (openat2, RESOLVE_IN_ROOT)."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import tempfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podruntime.images.view import Mount, View

_OPENAT2 = 437
_RESOLVE_IN_ROOT = 0x10


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def openat2(root: int, path: str, flags: int) -> int:
    """Open *path* as a process would whose root directory is *root*."""
    how = _OpenHow(flags | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT)
    libc = ctypes.CDLL(None, use_errno=True)
    found = libc.syscall(_OPENAT2, root, path.encode(), ctypes.byref(how), ctypes.sizeof(how))
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
    return found


def has_openat2() -> bool:
    if platform.system() != "Linux":
        return False
    root = os.open("/", os.O_PATH)
    try:
        os.close(openat2(root, "/", os.O_PATH))
    except OSError:
        return False
    finally:
        os.close(root)
    return True


NAMES = st.sampled_from(["a", "b", "c", "d"])
PARTS = st.one_of(NAMES, NAMES, st.sampled_from(["..", ".", ""]))
PATHS = st.builds(
    lambda parts, absolute: ("/" if absolute else "") + "/".join(parts),
    st.lists(PARTS, min_size=1, max_size=4),
    st.booleans(),
)
ENTRIES = st.lists(
    st.tuples(
        st.sampled_from(["a/a", "a/b/a", "a/b/c", "a/c", "b/a", "b/c", "c", "d"]),
        st.sampled_from(["directory", "file", "link", "link", "link"]),
        PATHS,
    ),
    max_size=10,
)


SKELETON = [("a", "directory", ""), ("a/b", "directory", ""), ("b", "directory", "")]


def grow(root: str, entries) -> None:
    """Make what can be made of *entries* below *root*; nothing is made through a link."""
    for path, kind, target in [*SKELETON, *entries]:
        at = os.path.join(root, path)
        parent = os.path.dirname(at)
        if os.path.realpath(parent) != parent or not os.path.isdir(parent) or os.path.lexists(at):
            continue
        if kind == "directory":
            os.mkdir(at)
        elif kind == "file":
            os.close(os.open(at, os.O_CREAT | os.O_WRONLY))
        elif target:
            os.symlink(target, at)


def kernels(root: int, path: str, *, follow: bool) -> object:
    try:
        found = openat2(root, path, os.O_PATH | (0 if follow else os.O_NOFOLLOW))
    except OSError as failure:
        return failure.errno
    try:
        return os.fstat(found).st_ino
    finally:
        os.close(found)


def ours(view: View, path: str, *, follow: bool) -> object:
    try:
        return os.lstat(view.find(path, follow=follow).path).st_ino
    except OSError as failure:
        return failure.errno


@pytest.mark.skipif(not has_openat2(), reason="the kernel has no openat2")
@settings(max_examples=150, deadline=None)
@given(entries=ENTRIES, paths=st.lists(PATHS, min_size=1, max_size=12), follow=st.booleans())
def test_a_view_finds_what_the_kernel_finds(entries, paths, follow):
    root = os.path.realpath(tempfile.mkdtemp())
    descriptor = os.open(root, os.O_PATH)
    try:
        grow(root, entries)
        view = View(root)
        for path in paths:
            asked = "/" + path
            if asked.endswith(("/", "/.")):
                asked = asked.rstrip("/.") or "/"  # A slash at the end follows a last link.
            assert ours(view, asked, follow=follow) == kernels(descriptor, asked, follow=follow)
    finally:
        os.close(descriptor)
        shutil.rmtree(root)


@settings(max_examples=100, deadline=None)
@given(entries=ENTRIES, inside=ENTRIES, paths=st.lists(PATHS, min_size=1, max_size=12))
def test_no_path_leaves_root_and_volume(entries, inside, paths):
    base = os.path.realpath(tempfile.mkdtemp())
    root, volume = f"{base}/root", f"{base}/volume"
    os.mkdir(root)
    os.mkdir(volume)
    try:
        grow(root, entries)
        grow(volume, inside)
        view = View(root)
        view.add(Mount("/a/b", volume))
        for path in paths:
            with suppress(OSError):
                found = view.find("/" + path).path
                real = os.path.realpath(found)
                assert (real + "/").startswith((f"{root}/", f"{volume}/"))
    finally:
        shutil.rmtree(base)


@pytest.mark.parametrize(
    ("real", "seen"),
    [
        ("/n/root", "/"),
        ("/n/root/etc/hosts", "/etc/hosts"),
        ("/n/volume", "/data"),
        ("/n/volume/a/b", "/data/a/b"),
        ("/n/config/key", "/etc/config/key"),
        ("/n/volumes", None),
        ("/n", None),
        ("/proc/1/fd", "/proc/1/fd"),
    ],
)
def test_where_an_open_directory_is_seen(real, seen):
    view = View("/n/root")
    view.add(Mount("/etc/config", "/n/config", readonly=True))
    view.add(Mount("/data/read-only", "/n/volume", readonly=True))
    view.add(Mount("/data", "/n/volume"))
    view.add(Mount("/proc", "/proc", readonly=True, verbatim=True))
    assert view.seen_at(real) == seen
