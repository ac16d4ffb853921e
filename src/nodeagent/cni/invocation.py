"""One call of a plugin: the CNI_* variables and the configuration (SPEC.md §2; pkg/skel).

`from_environment` and `verify` refuse what upstream's skeleton refuses, with its numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, cast, get_args

import msgspec

from componentbase.decoding import UNREADABLE
from kubeapi.objects import Object
from nodeagent.cni import version
from nodeagent.cni.errors import CniError, Code

Command = Literal["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"]
COMMANDS: Final = get_args(Command)
#: What each command cannot do without.
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"),
    "GC": ("CNI_PATH",),
    "STATUS": ("CNI_PATH",),
    "VERSION": (),
}
#: These came with CNI 1.1.0.
_LATE_COMMANDS: Final = ("GC", "STATUS")
#: Network names and container ids.
NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")
_IFNAME_MAX: Final = 15
_IFNAME_FORBIDDEN: Final = re.compile(r"[/:\s]")

ConfigT = TypeVar("ConfigT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What a plugin is told."""

    command: Command
    config: Object
    container_id: str = ""
    netns: str = ""
    ifname: str = ""
    args: str = ""
    path: str = ""

    @property
    def version(self) -> str:
        text = self.config.get("cniVersion")
        return text if isinstance(text, str) else ""

    @property
    def network(self) -> str:
        text = self.config.get("name")
        return text if isinstance(text, str) else ""

    def environment(self) -> dict[str, str]:
        """Return the variables of this call."""
        return {
            "CNI_COMMAND": self.command,
            "CNI_CONTAINERID": self.container_id,
            "CNI_NETNS": self.netns,
            "CNI_IFNAME": self.ifname,
            "CNI_ARGS": self.args,
            "CNI_PATH": self.path,
        }

    def argument(self, name: str) -> str:
        """Return what CNI_ARGS says of *name*, "" if nothing."""
        pairs = (pair.partition("=") for pair in self.args.split(";"))
        return next((text for key, _, text in pairs if key == name), "")


def from_environment(environment: Mapping[str, str], stdin: bytes) -> Invocation:
    """Return the call that a program was started for; raises CniError."""
    command = environment.get("CNI_COMMAND", "")
    if not command:
        raise CniError(Code.INVALID_ENVIRONMENT, "required env variables [CNI_COMMAND] missing")
    if command not in COMMANDS:
        raise CniError(Code.INVALID_ENVIRONMENT, f"unknown CNI_COMMAND: {command}")
    return Invocation(
        command=cast(Command, command),
        # Who asks for versions need say nothing.
        config=decode(stdin) if stdin.strip() or command != "VERSION" else {},
        container_id=environment.get("CNI_CONTAINERID", ""),
        netns=environment.get("CNI_NETNS", ""),
        ifname=environment.get("CNI_IFNAME", ""),
        args=environment.get("CNI_ARGS", ""),
        path=environment.get("CNI_PATH", ""),
    )


def decode(octets: bytes) -> Object:
    """Return a JSON object; raises CniError."""
    try:
        return msgspec.json.decode(octets, type=dict)
    except UNREADABLE as error:
        raise CniError(Code.DECODING_FAILURE, f"failed to parse JSON: {error}") from None


def typed(config: Object, kind: type[ConfigT]) -> ConfigT:
    """Return what *kind* knows of *config*; raises CniError that names the field."""
    try:
        return msgspec.convert(config, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise CniError(Code.INVALID_NETWORK_CONFIG, f"invalid configuration: {error}") from None


def verify(call: Invocation) -> None:
    """Refuse a call that makes no sense, before anything is done."""
    present = call.environment()
    missing = [name for name in _REQUIRED[call.command] if not present[name]]
    if missing:
        text = f"required env variables [{','.join(missing)}] missing"
        raise CniError(Code.INVALID_ENVIRONMENT, text)
    if call.container_id and not NAME.fullmatch(call.container_id):
        text = f"invalid characters in containerID: {call.container_id!r}"
        raise CniError(Code.INVALID_ENVIRONMENT, text)
    if call.ifname:
        _verify_ifname(call.ifname)
    if call.command == "VERSION":
        return
    if call.version not in version.SUPPORTED:
        raise version.incompatible(call.version, version.SUPPORTED)
    if call.command in _LATE_COMMANDS and version.parse(call.version) < version.FIRST_WITH_GC:
        text = f"config version does not allow {call.command}"
        raise CniError(Code.INCOMPATIBLE_VERSION, text)
    verify_network(call.network)


def _verify_ifname(name: str) -> None:
    if len(name) > _IFNAME_MAX or name in (".", "..") or _IFNAME_FORBIDDEN.search(name):
        text = f"interface name {name!r} is invalid: it has 1 to {_IFNAME_MAX} octets, no / : space"
        raise CniError(Code.INVALID_ENVIRONMENT, text)


def verify_network(name: str) -> None:
    """Refuse what cannot name a network (it is part of file names)."""
    if not name:
        raise CniError(Code.INVALID_NETWORK_CONFIG, "missing network name")
    if not NAME.fullmatch(name):
        text = f"invalid characters found in network name: {name!r}"
        raise CniError(Code.INVALID_NETWORK_CONFIG, text)
