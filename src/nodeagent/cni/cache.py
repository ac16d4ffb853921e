"""What ADD was asked and what it returned, on disk (libcni's cache of results, `cniCacheV1`).

An entry is written before ADD, then without a result, again after it, and before DEL: so whoever
finds it later knows what may have been given away. A kill at any moment leaves one of these, or a
torn one of the first: nothing was given then, and it is removed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from componentbase.decoding import UNREADABLE
from kubeapi.objects import Object
from nodeagent.cni.invocation import NAME

log = logging.getLogger(__name__)

_KIND: Final = "cniCacheV1"
_DRAFT: Final = ".new"
_PAGE_OCTETS: Final = 4096


class _Config(msgspec.Struct, frozen=True, rename="camel"):
    """The network as it was at ADD: DEL and CHECK are run with the same."""

    name: str
    cni_version: str
    plugins: list[Object]
    disable_check: bool = False


class _File(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    kind: str
    container_id: str
    config: bytes  # JSON; libcni has it in base64, too.
    if_name: str
    network_name: str
    netns: str = ""
    cni_args: list[tuple[str, str]] = []
    capability_args: Object = {}
    result: Object | None = None
    is_ending: bool = False  # Not libcni's.


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An attachment: wanted; made when it has a result; not to be used while it ends."""

    network: str
    version: str
    plugins: tuple[Object, ...]
    disable_check: bool
    container_id: str
    ifname: str
    netns: str
    arguments: tuple[tuple[str, str], ...]
    capabilities: Mapping[str, object]
    result: Object | None = None
    is_ending: bool = False

    @property
    def attached(self) -> Object | None:
        """Return the result while it holds."""
        return None if self.is_ending else self.result

    def made(self, result: Object) -> Entry:
        """Return this attachment with the result of its ADD."""
        return replace(self, result=result)

    def ending(self) -> Entry:
        """Return this attachment as it is once a DEL may have begun."""
        return replace(self, is_ending=True)


class ResultCache:
    """The attachments of a node, by container id: each has one interface."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._entries: dict[str, Entry] = {}
        for path in sorted(directory.iterdir()):
            self._load(path)

    def _load(self, path: Path) -> None:
        try:
            entry = _entry_of(path.read_bytes())
        except OSError as error:
            log.warning("a result of CNI: %s", error)
            return
        except UNREADABLE as error:
            log.warning("%s is no result of CNI and removed: %s", path, error)
            path.unlink()
            return
        if self._path(entry) == path:
            self._entries[entry.container_id] = entry
        elif path.suffix == _DRAFT:
            path.unlink()

    def _path(self, entry: Entry) -> Path:
        return self._directory / f"{entry.network}-{entry.container_id}-{entry.ifname}"

    def get(self, container_id: str) -> Entry | None:
        """Return a container's attachment, if there is one."""
        return self._entries.get(container_id)

    def entries(self) -> list[Entry]:
        """Return all attachments."""
        return list(self._entries.values())

    def put(self, entry: Entry) -> None:
        """Keep *entry*, instead of what there was of its container."""
        assert NAME.fullmatch(entry.container_id)
        before = self._entries.get(entry.container_id)
        if before is not None and self._path(before) != self._path(entry):
            self.remove(before)
        _write(self._path(entry), _octets_of(entry))
        self._entries[entry.container_id] = entry

    def remove(self, entry: Entry) -> None:
        """Forget *entry*."""
        self._entries.pop(entry.container_id, None)
        self._path(entry).unlink(missing_ok=True)


def _write(path: Path, octets: bytes) -> None:
    """Write a file so that a kill leaves the old or the new octets, or, of a new file, a part.

    One page is written at once or not at all. That way costs a tenth of a file that replaces
    another, for which ext4 waits for the disk.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        length = os.fstat(descriptor).st_size
        if not length or length <= len(octets) <= _PAGE_OCTETS:
            os.write(descriptor, octets)
            return
    finally:
        os.close(descriptor)
    draft = path.with_name(path.name + _DRAFT)
    draft.write_bytes(octets)
    os.replace(draft, path)


def _octets_of(entry: Entry) -> bytes:
    config = _Config(entry.network, entry.version, list(entry.plugins), entry.disable_check)
    return msgspec.json.encode(
        _File(
            kind=_KIND,
            container_id=entry.container_id,
            config=msgspec.json.encode(config),
            if_name=entry.ifname,
            network_name=entry.network,
            netns=entry.netns,
            cni_args=list(entry.arguments),
            capability_args=dict(entry.capabilities),
            result=entry.result,
            is_ending=entry.is_ending,
        )
    )


def _entry_of(octets: bytes) -> Entry:
    file = msgspec.json.decode(octets, type=_File)
    config = msgspec.json.decode(file.config, type=_Config)
    return Entry(
        network=file.network_name,
        version=config.cni_version,
        plugins=tuple(config.plugins),
        disable_check=config.disable_check,
        container_id=file.container_id,
        ifname=file.if_name,
        netns=file.netns,
        arguments=tuple(file.cni_args),
        capabilities=file.capability_args,
        result=file.result,
        is_ending=file.is_ending,
    )
