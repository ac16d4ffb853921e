"""Paths have one spelling before they are matched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingresscontroller import paths
from ingresscontroller.message import Refused
from ingresscontroller.pattern import Pattern


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (b"/", "/"), (b"/a/b", "/a/b"), (b"/a//b", "/a/b"), (b"//", "/"), (b"/a/./b", "/a/b"),
        (b"/a/../b", "/b"), (b"/a/b/..", "/a/"), (b"/a/.", "/a/"), (b"/a/..", "/"),
        (b"/%41", "/A"), (b"/a%2Fb", "/a/b"), (b"/a/%2e%2e/b", "/b"), (b"/...", "/..."),
        (b"/.hidden", "/.hidden"), (b"/%25", "/%"),
    ],
)  # fmt: skip
def test_a_path_is_normalized(written, meant):
    assert paths.normalize(written) == meant


@pytest.mark.parametrize("wrong", [b"/..", b"/a/../..", b"/%", b"/%4", b"/%gg", b"/%00"])
def test_what_leads_nowhere_is_refused(wrong):
    with pytest.raises(Refused):
        paths.normalize(wrong)


@given(st.binary(max_size=40))
def test_a_normal_path_has_no_detours(octets):
    try:
        path = paths.normalize(b"/" + octets)
    except Refused:
        return
    assert path.startswith("/")
    assert not {".", ".."} & set(path.split("/"))
    assert "//" not in path


@pytest.mark.parametrize(
    ("target", "pattern", "path", "made"),
    [
        ("/$2", "/something(/|$)(.*)", "/something", b"/"),
        ("/$2", "/something(/|$)(.*)", "/something/", b"/"),
        ("/$2", "/something(/|$)(.*)", "/something/new", b"/new"),
        ("/", "/old", "/old", b"/"),
        ("/api/$1", "/v1/(.*)", "/v1/a b", b"/api/a%20b"),
        ("${1}x", "/(.)", "/a", b"/ax"),
        ("/$3", "/(.)", "/a", b"/"),
        ("/$1", "/(.*)", "/50%", b"/50%25"),
    ],
)
def test_targets_are_rewritten_with_groups(target, pattern, path, made):
    assert paths.rewrite(target, path, Pattern(pattern)) == made


def test_path_and_query_are_two():
    assert paths.split(b"/a?b?c") == (b"/a", b"?b?c")
    assert paths.split(b"/a#f") == (b"/a", b"")
