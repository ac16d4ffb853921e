"""An etcd member: this process becomes the real program.

The zygote forks it as it forks all others, so it is in the cluster's session and its output in
its log; then it replaces itself. The configuration file holds the program and its arguments;
what the environment says to etcd is left out, since etcd would take it as arguments too.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from componentbase.process import load_config


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an etcd process is told."""

    name: str
    executable: str
    arguments: list[str]
    log_file: str


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
        os.execve(config.executable, [title, *config.arguments], environment)
    except OSError as error:
        print(f"{config.executable}: {error.strerror}", file=sys.stderr)
    return 1
