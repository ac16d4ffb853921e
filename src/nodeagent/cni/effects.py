"""What a plugin of ours wants done; whoever drives it gives the answer back into the generator."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from kubeapi.objects import Object
from nodeagent.cni.invocation import Command, Invocation


@dataclass(frozen=True, slots=True)
class Delegate:
    """Call another plugin with this call's configuration (SPEC.md §4); the answer is its result."""

    plugin: str
    command: Command


@dataclass(frozen=True, slots=True)
class ReplaceLink:
    """Let there be this entry in the node's table of links."""

    entry: Object


@dataclass(frozen=True, slots=True)
class DeleteLink:
    """Let there be no link of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class ListLinks:
    """Which pods' links are there? The answer is a list of entries."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Somebody else holds the lock: go on a little later."""


Effect = Delegate | ReplaceLink | DeleteLink | ListLinks | Pause
Answer = Object | list[Object] | None
#: Ends with the plugin's result, which only ADD has; a CniError may be thrown into it.
Steps = Generator[Effect, Answer, Object | None]
#: The second argument is the directory of the node.
Plugin = Callable[[Invocation, Path], Steps]
