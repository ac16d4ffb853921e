"""Conversations with kubectl, as text: what is typed and what must be said.

A transcript is a file of blocks with empty lines between them::

    file web.yaml
      kind: ConfigMap

    $ KUBE_EDITOR=true get configmap nobody
    status 1
    since 1.28
    Error from server (NotFound): configmaps "nobody" not found
    not: panic

`file` writes a file of the lines that stand below it (two spaces are taken away), `$` is a command
line without `kubectl`, with variables of its own before it. `status` is its exit status (0 where
nothing is said); clients older than `since`, or newer than `until`, leave it out. Each other line
must stand in what is printed, spaces apart, or must not, after `not:`. `{ns}` is the namespace.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

#: More clients to try, colon separated.
VARIABLE = "PODWIRE_TEST_KUBECTLS"
Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class File:
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    line: str
    says: tuple[str, ...] = ()
    does_not_say: tuple[str, ...] = ()
    status: int = 0
    since: Version = (0,)
    until: Version = (99,)


def parse(text: str) -> Iterator[File | Command]:
    """Read a transcript."""
    for block in text.strip("\n").split("\n\n"):
        first, *rest = block.strip("\n").split("\n")
        word, _, subject = first.partition(" ")
        if word == "file":
            yield File(subject, "".join(f"{line[2:]}\n" for line in rest))
        elif word == "$":
            yield _command(subject, rest)
        else:
            assert word.startswith("#"), f"neither a file nor a command: {first!r}"


def _command(line: str, rest: list[str]) -> Command:
    said: dict[str, str] = {}
    says, does_not_say = [], []
    for each in rest:
        word, _, value = each.partition(" ")
        if word in ("status", "since", "until"):
            said[word] = value
        elif word == "not:":
            does_not_say.append(value)
        else:
            says.append(each)
    return Command(
        line,
        tuple(says),
        tuple(does_not_say),
        status=int(said.get("status", 0)),
        since=_version(said.get("since", "0")),
        until=_version(said.get("until", "99")),
    )


def _version(text: str) -> Version:
    return tuple(map(int, text.split(".")))


def clients() -> list[str]:
    """Return the kubectl of the path, if there is one, and those that the environment names."""
    named = [path for path in os.environ.get(VARIABLE, "").split(":") if path]
    return [*filter(None, [shutil.which("kubectl")]), *named]


def version_of(kubectl: str) -> Version:
    """Return major and minor number of a client."""
    command = [kubectl, "version", "--client", "-o", "json"]
    said = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)
    found = said["clientVersion"]
    return int(found["major"]), int(found["minor"].rstrip("+"))


@dataclass(frozen=True, slots=True)
class Typist:
    """Types transcripts into one kubectl, in a directory and a namespace of its own."""

    kubectl: str
    version: Version
    directory: Path
    namespace: str
    environment: Mapping[str, str]

    def play(self, transcript: str) -> None:
        """Type every command and hold what it says to what was expected."""
        for part in parse(transcript.replace("{ns}", self.namespace)):
            if isinstance(part, File):
                path = self.directory / part.name
                path.parent.mkdir(exist_ok=True)
                path.write_text(part.text)
            elif part.since <= self.version <= part.until:
                self._try(part)

    def _try(self, command: Command) -> None:
        words = shlex.split(command.line)
        own = {}
        while "=" in words[0] and not words[0].startswith("-"):
            name, _, own[name] = words.pop(0).partition("=")
        done = subprocess.run(
            [self.kubectl, "--namespace", self.namespace, *words],
            cwd=self.directory, env={"EDITOR": "true", **self.environment, **own},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        shown = f"\n$ {command.line}\n{done.stdout}"
        assert done.returncode == command.status, f"status {done.returncode}{shown}"
        said = _without_spaces(done.stdout)
        for line in command.says:
            assert _without_spaces(line) in said, f"does not say {line!r}{shown}"
        for line in command.does_not_say:
            assert _without_spaces(line) not in said, f"says {line!r}{shown}"


def _without_spaces(text: str) -> str:
    return " ".join(text.split())
