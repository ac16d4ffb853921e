"""A network's configuration: which plugins, in which order (SPEC.md §1; libcni/conf.go).

The network of a node is that of the first file of its `net.d` in order of names, as containerd has
it. A file that makes no sense is an error, and not skipped: the next one would be another network.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final

import msgspec

from kubeapi.objects import Object
from nodeagent.cni import version
from nodeagent.cni.errors import CniError, Code
from nodeagent.cni.invocation import decode, typed, verify_network

#: Before any other of a node, since the user gave it for the whole cluster.
_USERS_FILE: Final = "05-cluster.conflist"
_ENDINGS: Final = (".conf", ".conflist", ".json")
_FILE_OCTETS_MAX: Final = 1 << 20
_PLUGINS_MAX: Final = 64

Network = IPv4Network | IPv6Network
#: What a directory looked like: names, times of change and sizes.
Signature = tuple[tuple[str, int, int], ...]


class _List(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    cni_version: str = ""
    cni_versions: list[str] = []
    disable_check: bool | str = False
    disable_gc: bool | str = msgspec.field(default=False, name="disableGC")
    load_only_inlined_plugins: bool | str = False
    plugins: list[Object] | None = None


class _Plugin(msgspec.Struct, frozen=True):
    type: str
    capabilities: dict[str, bool] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkList:
    """A network configuration list that makes sense."""

    name: str
    #: The versions that both it and we speak, newest first.
    versions: tuple[str, ...]
    plugins: tuple[Object, ...]
    disable_check: bool
    disable_gc: bool

    def types(self) -> list[str]:
        """Return the plugins that are called, those of IPAM included."""
        found = [str(plugin["type"]) for plugin in self.plugins]
        for plugin in self.plugins:
            ipam = plugin.get("ipam")
            if isinstance(ipam, dict) and isinstance(ipam.get("type"), str):
                found.append(ipam["type"])
        return list(dict.fromkeys(found))

    def has(self, capability: str) -> bool:
        """Tell whether a plugin takes *capability*."""
        return any((plugin.get("capabilities") or {}).get(capability) for plugin in self.plugins)


def parse(octets: bytes, more: Sequence[Object] = ()) -> NetworkList:
    """Return the list in *octets*, with the plugins *more* behind its own; raises CniError."""
    return _parse(decode(octets), more)


def _parse(document: Object, more: Sequence[Object]) -> NetworkList:
    if "type" in document and "plugins" not in document:
        document = {**document, "plugins": [document]}  # A single plugin's configuration.
    read = typed(document, _List)
    verify_network(read.name)
    alone = _boolean("loadOnlyInlinedPlugins", read.load_only_inlined_plugins)
    if alone and read.plugins is None:
        raise _error("`loadOnlyInlinedPlugins` is true, and no 'plugins' key")
    if read.plugins == []:
        raise _error("no plugins in list")
    plugins = [*(read.plugins or ()), *(() if alone else more)]
    if not plugins or len(plugins) > _PLUGINS_MAX:
        raise _error(f"{len(plugins)} plugin configs found; a network has 1 to {_PLUGINS_MAX}")
    for plugin in plugins:
        _verify_plugin(plugin)
    listed = [*read.cni_versions, *filter(None, [read.cni_version])]
    return NetworkList(
        name=read.name,
        versions=tuple(version.candidates(listed)),
        plugins=tuple(plugins),
        disable_check=_boolean("disableCheck", read.disable_check),
        disable_gc=_boolean("disableGC", read.disable_gc),
    )


def _verify_plugin(plugin: Object) -> None:
    kind = typed(plugin, _Plugin).type
    if not kind or "/" in kind:
        raise _error(f"invalid plugin type {kind!r}")


def _boolean(key: str, value: bool | str) -> bool:
    """Return a boolean that may be written as a text."""
    if isinstance(value, bool):
        return value
    if value.lower() not in ("true", "false"):
        raise _error(f"invalid value {value!r} for {key}")
    return value.lower() == "true"


def _error(text: str) -> CniError:
    return CniError(Code.INVALID_NETWORK_CONFIG, f"error parsing configuration list: {text}")


def load(directory: Path) -> NetworkList | None:
    """Return the network of *directory*, None where there is no file; raises CniError."""
    files = _files(directory, _ENDINGS)
    if not files:
        return None
    try:
        octets = _read(files[0])
        name = decode(octets).get("name")
        more: list[Object] = []
        if isinstance(name, str) and name and "/" not in name:
            more = [decode(_read(path)) for path in _files(directory / name, (".conf",))]
        return parse(octets, more)
    except CniError as error:
        raise error.within(str(files[0])) from None


def _files(directory: Path, endings: Sequence[str]) -> list[Path]:
    try:
        found = sorted(path for path in directory.iterdir() if path.suffix in endings)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CniError(Code.IO_FAILURE, str(error)) from None
    return [path for path in found if path.is_file()]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(_FILE_OCTETS_MAX + 1)
    except OSError as error:
        raise CniError(Code.IO_FAILURE, str(error)) from None
    if len(octets) > _FILE_OCTETS_MAX:
        raise CniError(Code.INVALID_NETWORK_CONFIG, f"more than {_FILE_OCTETS_MAX} octets")
    return octets


def signature(directory: Path) -> Signature:
    """Return what *directory* looks like, to see whether it changed; asked before every ADD."""
    found: list[tuple[str, int, int]] = []
    for name, status in _scan(str(directory)):
        found.append((name, status.st_mtime_ns, status.st_size))
        if stat.S_ISDIR(status.st_mode):
            below = _scan(f"{directory}/{name}")
            found += [(inner, each.st_mtime_ns, each.st_size) for inner, each in below]
    return tuple(found)


def _scan(directory: str) -> list[tuple[str, os.stat_result]]:
    try:
        with os.scandir(directory) as entries:
            return sorted((each.name, each.stat()) for each in entries)
    except OSError:
        return []  # Not there, or changing just now: the next look shows it.


def install(
    node: Path, provider: str, default: Object, template: str, pod_cidrs: Sequence[Network]
) -> None:
    """Write what this node has from its *provider*, and what it has from the user if anything."""
    directory = node / "cni" / "net.d"
    directory.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(default)).decode()
    _write(directory / f"10-{provider}.conflist", text)
    if template:
        filled = fill(template, pod_cidrs, node / "cni" / "networks")
        _write(directory / _USERS_FILE, filled)
    else:
        (directory / _USERS_FILE).unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(text)
    os.replace(draft, path)


def fill(template: str, pod_cidrs: Sequence[Network], data_directory: Path) -> str:
    """Return *template* as this node has it (containerd's `conf_template`, in a simple form)."""
    ranges = [[{"subnet": str(cidr)}] for cidr in pod_cidrs]
    texts = {
        "{{.PodCIDR}}": str(pod_cidrs[0]),
        "{{.PodCIDRRanges}}": msgspec.json.encode(ranges).decode(),
        "{{.DataDir}}": str(data_directory),
    }
    for name, text in texts.items():
        template = template.replace(name, text)
    return template


def verify_template(template: str) -> None:
    """Refuse a text that is no network's configuration on any node; raises CniError."""
    filled = fill(template, [IPv4Network("10.244.1.0/24")], Path("/"))
    if "{{" in filled:
        unknown = filled[filled.index("{{") :].partition("}}")[0]
        raise _error(f"{unknown}}}}} is not known; there are PodCIDR, PodCIDRRanges and DataDir")
    parse(filled.encode())
