"""Directories that programs of users have written to."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path


def remove_tree(path: str | Path) -> None:
    """Remove a directory and all in it, whatever modes programs have given to what is in it.

    Who is not root may not enter a directory of his own without the right to; he may take the
    right, though. What is gone already, or goes meanwhile, is no error.
    """
    if not os.path.lexists(path):
        return
    shutil.rmtree(path, ignore_errors=True)
    if not os.path.lexists(path):
        return
    with suppress(OSError):
        os.chmod(path, 0o700)
    for parent, names, _files in os.walk(path):  # It enters what was made open here.
        for name in names:
            directory = os.path.join(parent, name)
            if not os.path.islink(directory):
                with suppress(OSError):
                    os.chmod(directory, 0o700)
    shutil.rmtree(path, ignore_errors=True)
