"""The file that says how to schedule: KubeSchedulerConfiguration, kubescheduler.config.k8s.io/v1.

Whether it makes sense says `config_validation`; here profiles become frameworks. Profiles with
their plugins and arguments, back-offs and the share of nodes to rate are heeded. What this process
is told otherwise (clientConnection, leaderElection, parallelism, …) may stand there and has no
effect; extenders are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
import yaml

from controlplane.scheduler import config_validation
from controlplane.scheduler.framework.handle import Handle
from controlplane.scheduler.framework.interface import Plugin
from controlplane.scheduler.framework.registry import REGISTRY, BadPlugin, find_plugin, make_plugin
from controlplane.scheduler.framework.runtime import POINTS, Framework
from controlplane.scheduler.pod_info import DEFAULT_SCHEDULER_NAME
from kubeapi.bounded_yaml import BoundedLoader
from kubeapi.objects import Object

_EVERY: Final = "*"


class BadConfiguration(Exception):
    """A file that cannot be followed; one line that says what to do."""


class PluginRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    weight: int = 0


class PluginSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    enabled: tuple[PluginRef, ...] = ()
    disabled: tuple[PluginRef, ...] = ()


class PluginConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    args: Object = {}


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the pods that name this scheduler are scheduled."""

    schedulerName: str = ""  # Of one alone: DEFAULT_SCHEDULER_NAME.
    plugins: dict[str, PluginSet] = {}
    pluginConfig: tuple[PluginConfig, ...] = ()
    percentageOfNodesToScore: int | None = None


class KubeSchedulerConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    apiVersion: Literal["kubescheduler.config.k8s.io/v1"]
    kind: Literal["KubeSchedulerConfiguration"]
    profiles: tuple[Profile, ...] = ()
    percentageOfNodesToScore: int = 0
    podInitialBackoffSeconds: float | None = None
    podMaxBackoffSeconds: float | None = None
    extenders: tuple[Object, ...] = ()
    parallelism: int = 16
    leaderElection: Object = {}
    clientConnection: Object = {}
    enableProfiling: bool = False
    enableContentionProfiling: bool = False
    delayCacheUntilActive: bool = False
    metadata: Object = {}


DEFAULT: Final = KubeSchedulerConfiguration(
    "kubescheduler.config.k8s.io/v1",
    "KubeSchedulerConfiguration",
    profiles=(Profile(DEFAULT_SCHEDULER_NAME),),
)


def parse(text: str) -> KubeSchedulerConfiguration:
    """Read a file's text, an empty one as the defaults; raises BadConfiguration."""
    if not text:
        return DEFAULT
    try:
        config = msgspec.convert(yaml.load(text, BoundedLoader), KubeSchedulerConfiguration)
    except yaml.YAMLError as error:
        raise BadConfiguration(f"no YAML: {' '.join(str(error).split())}") from None
    except msgspec.ValidationError as error:
        raise BadConfiguration(config_validation.decoding(error)) from None
    config = _with_defaults(config)
    if problem := config_validation.worded(config_validation.problems(config)):
        raise BadConfiguration(problem)
    return config


def _with_defaults(config: KubeSchedulerConfiguration) -> KubeSchedulerConfiguration:
    """Without profiles there is one, and a single one without a name is the default's."""
    profiles = config.profiles or (Profile(),)
    if len(profiles) == 1 and not profiles[0].schedulerName:
        profiles = (msgspec.structs.replace(profiles[0], schedulerName=DEFAULT_SCHEDULER_NAME),)
    return msgspec.structs.replace(config, profiles=profiles)


def resolve(config: KubeSchedulerConfiguration) -> None:
    """Find every plugin that is enabled, a user's in its module; raises BadConfiguration."""
    for profile in config.profiles:
        names = (ref.name for plugins in profile.plugins.values() for ref in plugins.enabled)
        for name in dict.fromkeys(names):
            try:
                find_plugin(name)
            except BadPlugin as error:
                raise _bad(profile, error) from None


def _bad(profile: Profile, error: BadPlugin) -> BadConfiguration:
    return BadConfiguration(f"profile {profile.schedulerName}: {error}")


def build(config: KubeSchedulerConfiguration, profile: Profile, handle: Handle) -> Framework:
    """Make a profile's plugins; raises BadConfiguration."""
    arguments = {each.name: each.args for each in profile.pluginConfig}
    chosen = {point: _chosen(profile, point) for point in POINTS}
    try:
        made = {
            name: make_plugin(name, arguments.get(name, {}), handle)
            for name in {ref.name: None for refs in chosen.values() for ref in refs}
        }
        plugins = {
            point: tuple(_fitting(made, refs, point, profile)) for point, refs in chosen.items()
        }
    except BadPlugin as error:
        raise _bad(profile, error) from None
    for point in ("queueSort", "bind"):
        if not plugins[point]:
            raise BadConfiguration(f"profile {profile.schedulerName}: no {point} plugin is left")
    if len(plugins["queueSort"]) > 1:
        raise BadConfiguration(f"profile {profile.schedulerName}: only one queueSort plugin")
    share = profile.percentageOfNodesToScore
    weights = {made[ref.name].name: ref.weight or 1 for ref in chosen["score"]}
    return Framework(
        profile.schedulerName,
        plugins,
        weights,
        config.percentageOfNodesToScore if share is None else share,
    )


def _fitting(
    made: Mapping[str, Plugin], refs: Sequence[PluginRef], point: str, profile: Profile
) -> list[Plugin]:
    """Return the plugins that have what *point* asks; one named for it alone must have it."""
    named = {ref.name for ref in profile.plugins.get(point, PluginSet()).enabled}
    found = []
    for ref in refs:
        plugin = made[ref.name]
        if isinstance(plugin, POINTS[point]):
            found.append(plugin)
        elif ref.name in named:
            raise BadPlugin(f"{ref.name} does not extend {point}")
    return found


def _chosen(profile: Profile, point: str) -> tuple[PluginRef, ...]:
    """Return what takes part at *point*, as upstream orders it.

    Those of multiPoint that are named there, too, come first; then the others of multiPoint; then
    those that are named there alone.
    """
    here = profile.plugins.get(point, PluginSet())
    off = {ref.name for ref in here.disabled}
    enabled = {ref.name: ref for ref in here.enabled}
    if _EVERY in off:
        return tuple(enabled.values())
    general = {ref.name: ref for ref in _multi_point(profile) if ref.name not in off}
    kept = {name: enabled.pop(name, ref) for name, ref in general.items() if name in enabled}
    rest = {name: ref for name, ref in general.items() if name not in kept}
    return (*kept.values(), *rest.values(), *enabled.values())


def _multi_point(profile: Profile) -> tuple[PluginRef, ...]:
    """Return the default plugins and what the profile's multiPoint makes of them."""
    chosen = profile.plugins.get("multiPoint", PluginSet())
    off = {ref.name for ref in chosen.disabled}
    default = (
        {}
        if _EVERY in off
        else {
            name: PluginRef(name, known.weight)
            for name, known in REGISTRY.items()
            if name not in off
        }
    )
    for ref in chosen.enabled:
        weight = ref.weight or (REGISTRY[ref.name].weight if ref.name in REGISTRY else 1)
        default[ref.name] = PluginRef(ref.name, weight)
    return tuple(default.values())
