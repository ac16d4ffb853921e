"""An etcd member: this process becomes the real program.

The zygote forks it as it forks all others, so it is in the cluster's session and its output in
its log; then it replaces itself. The configuration file holds the program and its arguments;
what the environment says to etcd is left out, since etcd would take it as arguments too.

A member whose data is gone must not come back under its old id: it has forgotten what it promised
the others, and etcd refuses it ("has already been bootstrapped"). Once `podwire etcdctl` has added
it anew it is told to join instead of to begin.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from componentbase.process import load_config

_BEGIN: Final = "--initial-cluster-state=new"
_JOIN: Final = "--initial-cluster-state=existing"


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an etcd process is told."""

    name: str
    executable: str
    arguments: list[str]
    log_file: str


def joins(data: Path) -> Path:
    """Return the file that is there since the member with that data was added anew."""
    return data.with_name(f"{data.name}.joins")


def _arguments(given: Sequence[str]) -> list[str]:
    """Return etcd's arguments; a member that was added anew joins, with nothing it had before."""
    options = dict(each.partition("=")[::2] for each in given)
    data = Path(options.get("--data-dir", "data"))
    mark = joins(data)
    if not mark.exists():
        return list(given)
    if not mark.read_text():
        shutil.rmtree(data, ignore_errors=True)
        mark.write_text("its old data is removed")
    return [_JOIN if each == _BEGIN else each for each in given]


def main(argv: list[str]) -> int:
    """Become the etcd that the configuration file describes; returns only if that fails."""
    if len(argv) != 1:
        print("usage: CONFIG.json", file=sys.stderr)
        return 2
    config = load_config(Config, Path(argv[0]))
    environment = {key: text for key, text in os.environ.items() if not key.startswith("ETCD_")}
    try:
        # The title is how `podwire status` knows its own when all else is lost.
        title = f"podwire: {config.name}"
        os.execve(config.executable, [title, *_arguments(config.arguments)], environment)
    except OSError as error:
        print(f"{config.executable}: {error.strerror}", file=sys.stderr)
    return 1
