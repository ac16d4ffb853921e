"""Pages as sessions: what a reader pastes, and what the reader sees.

A block that begins with ```console has commands after `$ ` and below each what it prints. `…` is
anything within a line, and a line of it alone any lines; how many spaces there are does not matter.
A command that only looks is asked again until it prints that, since a cluster takes its time.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

_LOOKS: Final = ("kubectl get", "kubectl exec", "kubectl logs", "kubectl describe", "curl", "for ")
_WITHIN_S: Final = 40.0
_PATIENCE_S: Final = 120.0
_BLOCK: Final = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """One command and what it prints."""

    command: str
    prints: str

    @property
    def only_looks(self) -> bool:
        return self.command.startswith(_LOOKS)

    def is_said_by(self, output: str) -> bool:
        lines = "\n".join(" ".join(line.split()) for line in output.strip().splitlines())
        return re.fullmatch(_pattern(self.prints), f"{lines}\n" if lines else "") is not None


def _pattern(prints: str) -> str:
    found = ""
    for line in prints.splitlines():
        words = " ".join(line.split())
        if words == "…":
            found += r"(?:.*\n)*?"
        else:
            found += ".*".join(map(re.escape, words.split("…"))) + "\n"
    return found


def steps(page: str) -> Iterator[Step]:
    """Yield the steps of a page."""
    for block in _BLOCK.findall(page):
        for text in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, prints = text.partition("\n")
            yield Step(command, prints)


def play(page: Path, environment: Mapping[str, str], directory: Path, address: str) -> None:
    """Do what a page says in *directory*; *address* is that of node-1."""
    for step in steps(page.read_text()):
        command = step.command.replace("127.0.1.1", address)
        deadline = time.monotonic() + _WITHIN_S
        while not step.is_said_by(said := _run(command, environment, directory)):
            if not step.only_looks or time.monotonic() > deadline:
                pytest.fail(
                    f"{page}: {step.command}\nshould print\n{step.prints}and printed\n{said}"
                )
            time.sleep(0.2)


def _run(command: str, environment: Mapping[str, str], directory: Path) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        env=environment,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    return done.stdout + done.stderr
