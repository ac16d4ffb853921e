"""Puts our plugins where CNI_PATH finds them, as scripts that begin `nodeagent.cni.plugin`."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Final

from nodeagent.cni.plugins import OURS

#: Below a node's directory.
DIRECTORY: Final = Path("cni/bin")


def install(node: Path) -> Path:
    """Write the scripts; return their directory."""
    directory = node / DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    for name in OURS:
        words = [sys.executable, "-P", "-m", "nodeagent.cni.plugin", name, str(node)]
        text = f"#!/bin/sh\nexec {shlex.join(words)}\n"
        program = directory / name
        if program.exists() and program.read_text() == text:
            continue
        torn = program.with_suffix(".new")
        torn.write_text(text)
        torn.chmod(0o755)
        os.replace(torn, program)
    return directory
