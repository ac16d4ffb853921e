"""Volumes as files: what configMap, secret, downwardAPI and projected volumes put where.

The runtime takes `files: {path: text}` per container, and `mounts` of volumes that it keeps for
the pod: emptyDir, which holds nothing at first and is shared by the pod's containers. hostPath
and the rest are no matter of this emulator and are treated as emptyDir, so that manifests that
name them still run.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from kubeapi.objects import Object
from nodeagent.kubelet.environment import field_value, resource_value
from nodeagent.kubelet.references import ConfigError, Configuration, Reference

Files = dict[str, str]
_Source = Callable[[Object, Object, Configuration, Mapping[str, str]], Files]


def volume_files(
    pod: Object, configuration: Configuration, addresses: Mapping[str, str]
) -> dict[str, Files]:
    """Return the files of each volume by its name; raises ConfigError (FailedMount)."""
    found: dict[str, Files] = {}
    for volume in pod["spec"].get("volumes") or ():
        try:
            found[volume["name"]] = _files(pod, volume, configuration, addresses)
        except ConfigError as error:
            text = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}'
            raise ConfigError(text) from None
    return found


def container_files(container: Object, volumes: Mapping[str, Files]) -> Files:
    """Return the files that the container's mounts show, by absolute path."""
    found: Files = {}
    for mount in container.get("volumeMounts") or ():
        files = volumes.get(mount["name"], {})
        at, sub = mount["mountPath"], (mount.get("subPath") or "").strip("/")
        if sub in files:
            found[at] = files[sub]
            continue
        prefix = f"{sub}/" if sub else ""
        for path, text in files.items():
            if path.startswith(prefix):
                found[posixpath.join(at, path[len(prefix) :])] = text
    return found


def container_mounts(pod: Object, container: Object) -> list[Object]:
    """Return the container's mounts of volumes that the runtime keeps for the pod."""
    kept = {
        volume["name"]
        for volume in pod["spec"].get("volumes") or ()
        if not any(volume.get(name) is not None for name in (*_SOURCES, "projected"))
    }
    return [
        {
            "path": mount["mountPath"],
            "volume": mount["name"],
            "sub_path": mount.get("subPath") or "",
        }
        for mount in container.get("volumeMounts") or ()
        if mount["name"] in kept
    ]


def _files(
    pod: Object, volume: Object, configuration: Configuration, addresses: Mapping[str, str]
) -> Files:
    for name, read in _SOURCES.items():
        if volume.get(name) is not None:
            return read(pod, volume[name], configuration, addresses)
    found: Files = {}
    for source in (volume.get("projected") or {}).get("sources") or ():
        for name, read in _SOURCES.items():
            if source.get(name) is not None:
                found |= read(pod, source[name], configuration, addresses)
    return found


def _config_map(
    _pod: Object, source: Object, configuration: Configuration, _addresses: Mapping[str, str]
) -> Files:
    return _selected(Reference("configmap", source.get("name") or ""), source, configuration)


def _secret(
    _pod: Object, source: Object, configuration: Configuration, _addresses: Mapping[str, str]
) -> Files:
    name = source.get("secretName") or source.get("name") or ""
    return _selected(Reference("secret", name), source, configuration)


def _selected(reference: Reference, source: Object, configuration: Configuration) -> Files:
    optional = bool(source.get("optional"))
    texts = configuration.data(reference, optional=optional)
    items: Sequence[Object] = source.get("items") or ()
    if not items:
        return dict(texts)
    found: Files = {}
    for item in items:
        text = configuration.value(reference, item["key"], optional=optional)
        if text is not None:
            found[item["path"]] = text
    return found


def _downward_api(
    pod: Object, source: Object, _configuration: Configuration, addresses: Mapping[str, str]
) -> Files:
    found: Files = {}
    for item in source.get("items") or ():
        if item.get("fieldRef"):
            found[item["path"]] = field_value(pod, item["fieldRef"]["fieldPath"], addresses)
        elif item.get("resourceFieldRef"):
            found[item["path"]] = resource_value(pod, {}, item["resourceFieldRef"])
    return found


_SOURCES: Final[Mapping[str, _Source]] = {
    "configMap": _config_map,
    "secret": _secret,
    "downwardAPI": _downward_api,
}
