"""CPython's own tests of its modules about files, run as a container's code."""

from __future__ import annotations

import io
import os
import unittest

import pytest

from podruntime.images import python_image
from podruntime.images.filesystem import FileSystem
from podruntime.sandbox.owner import CURRENT

from .pods import TwoPods

pytestmark = pytest.mark.usefixtures("boundary")

#: What needs a child process, which a container has not (EPERM).
CHILDREN = {
    "test_del_on_shutdown",
    "test_del_on_shutdown_ignore_errors",
    "test_exit_on_shutdown",
    "test_noinherit",
    "test_process_awareness",
    "test_tarfile_vs_tar",
    "test_unzip_zipfile",
    "test_zipfile_vs_zip",
}


@pytest.mark.parametrize("name", ["test_genericpath", "test_shutil", "test_tempfile"])
def test_they_hold_in_a_container(tmp_path, name):
    pytest.importorskip(f"test.{name}", reason="Python is installed without its tests")
    layers = python_image.image("python://os:getcwd").layers
    said = io.StringIO()
    bad: list[str] = []

    async def scenario(_pods: TwoPods) -> None:
        owner = CURRENT.get()
        assert owner is not None
        files = owner.files = FileSystem(str(tmp_path), {})
        for layer in layers:
            files.mount(layer, layer, readonly=True, verbatim=True)
        os.mkdir("/tests")
        os.chdir("/tests")
        suite = unittest.defaultTestLoader.loadTestsFromName(f"test.{name}")
        runner = unittest.TextTestRunner(stream=said, verbosity=0, warnings="ignore")
        result = runner.run(suite)
        assert result.testsRun > 10
        bad.extend(str(test).split()[0] for test, _why in (*result.failures, *result.errors))

    TwoPods().run(scenario)
    assert {each for each in bad if each not in CHILDREN} == set(), said.getvalue()
