"""Removing what programs have left, as a user who is not root."""

from __future__ import annotations

import os
from pathlib import Path

from componentbase.directories import remove_tree


def test_directories_without_rights_go_and_what_links_lead_to_stays(
    tmp_path: Path, as_nobody
) -> None:
    tmp_path.chmod(0o755)
    if os.geteuid() == 0:  # Whoever the child becomes must find the way.
        for parent in tmp_path.parents[:3]:
            parent.chmod(parent.stat().st_mode | 0o011)
    kept, tree = tmp_path / "kept", tmp_path / "open" / "tree"
    kept.mkdir()
    (kept / "file").touch()
    kept.chmod(0o500)
    tree.parent.mkdir()
    tree.parent.chmod(0o777)

    def leave_and_remove() -> None:
        deep = tree / "no" / "way" / "in"
        deep.mkdir(parents=True)
        (deep / "file").touch()
        (tree / "link").symlink_to(kept)
        for each in (deep, deep.parent, deep.parent.parent, tree):
            each.chmod(0)
        remove_tree(tree)

    assert as_nobody(leave_and_remove) == 0
    assert not tree.exists()
    assert (kept / "file").exists()
    assert kept.stat().st_mode & 0o777 == 0o500


def test_what_is_not_there_is_gone(tmp_path: Path) -> None:
    remove_tree(tmp_path / "none")
