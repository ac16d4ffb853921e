"""Whether a KubeSchedulerConfiguration makes sense (upstream: validation.go), in its words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from controlplane.scheduler.framework import arguments_validation
from controlplane.scheduler.framework.runtime import POINTS
from kubeapi import field
from kubeapi.status import Cause

if TYPE_CHECKING:
    from controlplane.scheduler.scheduler_config import (
        KubeSchedulerConfiguration,
        PluginSet,
        Profile,
    )

_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*?)`(?: - at `\$\.?(.*)`)?")
#: Plugins that there were, and are no more.
_REMOVED: Final = ("AzureDiskLimits", "CinderLimits", "EBSLimits", "GCEPDLimits")
_VERSION: Final = '"kubescheduler.config.k8s.io/v1"'
_LOCK: Final = "leases"
_BACKOFF_INITIAL_S: Final = 1


def problems(config: KubeSchedulerConfiguration) -> Iterator[Cause]:
    """Return all that is wrong."""
    lock = config.leaderElection.get("resourceLock") or _LOCK
    if config.leaderElection.get("leaderElect", True) and lock != _LOCK:
        why = f'resourceLock value must be "{_LOCK}"'
        yield field.invalid("leaderElection.resourceLock", lock, why)
    if config.parallelism <= 0:
        why = "should be an integer value greater than zero"
        yield field.invalid("parallelism", config.parallelism, why)
    names = [profile.schedulerName for profile in config.profiles]
    for i, profile in enumerate(config.profiles):
        yield from _profile(profile, f"profiles[{i}]")
        if profile.schedulerName in names[:i]:
            first = f"profiles[{names.index(profile.schedulerName)}].schedulerName"
            yield field.duplicate(f"profiles[{i}].schedulerName", first)
    yield from _queue_sort(config.profiles)
    yield from _share(config.percentageOfNodesToScore, "percentageOfNodesToScore")
    initial, most = config.podInitialBackoffSeconds, config.podMaxBackoffSeconds
    if initial is not None and initial <= 0:
        yield field.invalid("podInitialBackoffSeconds", _number(initial), "must be greater than 0")
    if most is not None and most < (_BACKOFF_INITIAL_S if initial is None else initial):
        why = "must be greater than or equal to PodInitialBackoffSeconds"
        yield field.invalid("podMaxBackoffSeconds", _number(most), why)
    if config.extenders:
        why = "extenders are not supported; write a plugin: docs/scheduler.md"
        yield field.forbidden("extenders", why)


def _number(seconds: float) -> float:
    """Return whole seconds as upstream shows them; others are ours alone."""
    return int(seconds) if seconds.is_integer() else seconds


def _profile(profile: Profile, path: str) -> Iterator[Cause]:
    if not profile.schedulerName:
        yield field.required(f"{path}.schedulerName")
    if profile.percentageOfNodesToScore is not None:
        share = profile.percentageOfNodesToScore
        yield from _share(share, f"{path}.percentageOfNodesToScore")
    for point, plugins in profile.plugins.items():
        yield from _plugins(point, plugins, f"{path}.plugins.{point}")
    configured = [each.name for each in profile.pluginConfig]
    for i, each in enumerate(profile.pluginConfig):
        of_it = f"{path}.pluginConfig[{i}]"
        if each.name in configured[:i]:
            yield field.duplicate(of_it, each.name)
        yield from _removed(each.name, of_it)
        yield from arguments_validation.problems(each.name, each.args, f"{of_it}.args")


def _plugins(point: str, plugins: PluginSet, path: str) -> Iterator[Cause]:
    if point not in (*POINTS, "multiPoint"):
        yield field.not_supported(path, point, (*POINTS, "multiPoint"))
    names = [plugin.name for plugin in plugins.enabled]
    for i, plugin in enumerate(plugins.enabled):
        of_it = f"{path}.enabled[{i}]"
        yield from _removed(plugin.name, of_it)
        if plugin.name in names[:i]:
            yield field.duplicate(of_it, plugin.name)
        if plugin.weight < 0:
            yield field.invalid(f"{of_it}.weight", plugin.weight, "must not be negative")


def _removed(name: str, path: str) -> Iterator[Cause]:
    if name in _REMOVED:
        its = f"KubeSchedulerConfiguration is version {_VERSION}"
        yield field.invalid(path, name, f"was invalid in version {_VERSION} ({its})")


def _share(percentage: int, path: str) -> Iterator[Cause]:
    if not 0 <= percentage <= 100:
        yield field.invalid(path, percentage, "not in valid range [0-100]")


def _queue_sort(profiles: Iterable[Profile]) -> Iterator[Cause]:
    """All profiles share one queue: they order it alike."""
    sets = [msgspec.to_builtins(profile.plugins.get("queueSort")) for profile in profiles]
    count = len((sets[0] or {}).get("enabled") or ())
    if count > 1:
        why = "only one queue sort plugin can be enabled"
        yield field.invalid("profiles[0].plugins.queueSort.Enabled", count, why)
    for i, each in enumerate(sets):
        if each != sets[0]:
            why = "must be the same for all profiles"
            yield field.invalid(f"profiles[{i}].plugins.queueSort", each or {}, why)


def worded(problems: Iterable[Cause]) -> str:
    """Return all problems on one line, as upstream joins them; empty: none."""
    texts = list(dict.fromkeys(map(str, problems)))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]" if texts else ""


def decoding(error: msgspec.ValidationError) -> str:
    """Return what is said of a file that is of another shape; of unknown fields as upstream."""
    found = _UNKNOWN.fullmatch(str(error))
    if found is None:
        return str(error)
    name, at = found.groups()
    return (
        f'strict decoding error: unknown field "{at}.{name}"'
        if at
        else (f'strict decoding error: unknown field "{name}"')
    )
