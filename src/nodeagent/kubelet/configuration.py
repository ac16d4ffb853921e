"""The file that says how a kubelet behaves: KubeletConfiguration, kubelet.config.k8s.io/v1beta1.

Eviction, graceful shutdown, image collection, reservations, taints and the number of pods are
heeded. What this node is told otherwise, or has not (certificates, cgroups, log formats), may stand
there and has no effect. What nobody wrote is scaled by the timings, what somebody wrote is not.
Besides upstream's defaults a node that is shut down grants its pods some time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, Literal

import msgspec
import yaml

from kubeapi.bounded_yaml import BoundedLoader
from kubeapi.objects import Object
from kubeapi.quantity import QuantityError, parse_quantity
from nodeagent.kubelet.durations import parse_duration
from nodeagent.kubelet.eviction.thresholds import (
    DEFAULT_HARD,
    BadThreshold,
    Threshold,
    parse_thresholds,
)

#: systemCriticalPriority of scheduling.k8s.io.
_CRITICAL: Final = 2_000_000_000
_SHUTDOWN_S: Final = 30.0
_SHUTDOWN_CRITICAL_S: Final = 10.0

#: Fields of upstream's type that have no effect here.
_IGNORED_TEXT: Final = """
    address allowedUnsafeSysctls authentication authorization cgroupDriver cgroupRoot
    cgroupsPerQOS clusterDNS clusterDomain configMapAndSecretChangeDetectionStrategy
    containerLogMaxFiles containerLogMaxSize containerLogMaxWorkers containerLogMonitorInterval
    containerRuntimeEndpoint contentType cpuCFSQuota cpuCFSQuotaPeriod cpuManagerPolicy
    cpuManagerPolicyOptions cpuManagerReconcilePeriod crashLoopBackOff enableContentionProfiling
    enableControllerAttachDetach enableDebugFlagsHandler enableDebuggingHandlers
    enableProfilingHandler enableServer enableSystemLogHandler enableSystemLogQuery
    enforceNodeAllocatable eventBurst eventRecordQPS failCgroupV1 failSwapOn featureGates
    fileCheckFrequency hairpinMode healthzBindAddress healthzPort httpCheckFrequency
    imageMaximumGCAge imageServiceEndpoint iptablesDropBit iptablesMasqueradeBit
    kernelMemcgNotification kubeAPIBurst kubeAPIQPS kubeletCgroups kubeReservedCgroup
    localStorageCapacityIsolation logging makeIPTablesUtilChains maxOpenFiles
    maxParallelImagePulls memoryManagerPolicy memorySwap memoryThrottlingFactor
    nodeLeaseDurationSeconds nodeStatusMaxImages nodeStatusReportFrequency
    nodeStatusUpdateFrequency oomScoreAdj podCIDR podLogsDir podPidsLimit podsPerCore port
    protectKernelDefaults providerID qosReserved readOnlyPort registerNode registryBurst
    registryPullQPS reservedMemory reservedSystemCPUs resolvConf rotateCertificates runOnce
    runtimeRequestTimeout seccompDefault serializeImagePulls serverTLSBootstrap
    showHiddenMetricsForVersion singleProcessOOMKill staticPodPath staticPodURL
    staticPodURLHeader streamingConnectionIdleTimeout syncFrequency systemCgroups
    systemReservedCgroup tlsCertFile tlsCipherSuites tlsMinVersion tlsPrivateKeyFile
    topologyManagerPolicy topologyManagerPolicyOptions topologyManagerScope tracing
    volumePluginDir volumeStatsAggPeriod
"""
_WITHOUT_EFFECT: Final = frozenset(_IGNORED_TEXT.split())


class BadConfiguration(Exception):
    """A file that cannot be followed; one line that says what to do."""


class ShutdownGracePeriod(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How long pods of *priority* or more may take when their node is shut down."""

    priority: int
    shutdown_grace_period_seconds: int


class KubeletConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file."""

    apiVersion: Literal["kubelet.config.k8s.io/v1beta1"] = "kubelet.config.k8s.io/v1beta1"
    kind: Literal["KubeletConfiguration"] = "KubeletConfiguration"
    evictionHard: dict[str, str] | None = None
    evictionSoft: dict[str, str] = {}
    evictionSoftGracePeriod: dict[str, str] = {}
    evictionMinimumReclaim: dict[str, str] = {}
    evictionMaxPodGracePeriod: int = 0
    evictionPressureTransitionPeriod: str | None = None
    shutdownGracePeriod: str | None = None
    shutdownGracePeriodCriticalPods: str | None = None
    shutdownGracePeriodByPodPriority: tuple[ShutdownGracePeriod, ...] = ()
    imageGCHighThresholdPercent: int = 85
    imageGCLowThresholdPercent: int = 80
    imageMinimumGCAge: str | None = None
    systemReserved: dict[str, str] = {}
    kubeReserved: dict[str, str] = {}
    registerWithTaints: tuple[Object, ...] = ()
    maxPods: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityGrace:
    """The time of all pods from *priority* up to the next one's, when the node is shut down."""

    priority: int
    grace_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeletOptions:
    """What the file says, understood."""

    thresholds: tuple[Threshold, ...] = parse_thresholds(DEFAULT_HARD, {}, {}, {})
    eviction_max_pod_grace_s: float = 0.0
    eviction_transition_s: float | None = None
    #: From the lowest priority up; none: the node goes at once.
    shutdown: tuple[PriorityGrace, ...] = (
        PriorityGrace(priority=0, grace_s=_SHUTDOWN_S - _SHUTDOWN_CRITICAL_S),
        PriorityGrace(priority=_CRITICAL, grace_s=_SHUTDOWN_CRITICAL_S),
    )
    image_gc_high: int = 85
    image_gc_low: int = 80
    image_gc_age_s: float | None = None
    reserved: Mapping[str, Fraction] = field(default_factory=dict)
    taints: tuple[Object, ...] = ()
    pods_max: int | None = None

    @property
    def shutdown_s(self) -> float:
        """Return how long a shutdown may take."""
        return sum(each.grace_s for each in self.shutdown)


def parse(text: str) -> KubeletOptions:
    """Read a file's text, an empty one as the defaults; raises BadConfiguration."""
    if not text:
        return KubeletOptions()
    try:
        loaded = yaml.load(text, BoundedLoader)
        if isinstance(loaded, dict):
            if "kind" not in loaded or "apiVersion" not in loaded:
                raise BadConfiguration("it has no kind: KubeletConfiguration with apiVersion")
            loaded = {key: each for key, each in loaded.items() if key not in _WITHOUT_EFFECT}
        config = msgspec.convert(loaded, KubeletConfiguration)
        return _options(config)
    except yaml.YAMLError as error:
        raise BadConfiguration(f"no YAML: {' '.join(str(error).split())}") from None
    except (msgspec.ValidationError, BadThreshold, QuantityError) as error:
        raise BadConfiguration(str(error)) from None


def _options(config: KubeletConfiguration) -> KubeletOptions:
    low, high = config.imageGCLowThresholdPercent, config.imageGCHighThresholdPercent
    if not 0 <= low < high <= 100:
        raise BadConfiguration(
            f"imageGCHighThresholdPercent {high} must be greater than imageGCLowThresholdPercent"
            f" {low}, and both between 0 and 100"
        )
    if config.evictionMaxPodGracePeriod < 0 or (config.maxPods is not None and config.maxPods < 1):
        raise BadConfiguration("evictionMaxPodGracePeriod and maxPods must not be negative, nor 0")
    return KubeletOptions(
        thresholds=parse_thresholds(
            DEFAULT_HARD if config.evictionHard is None else config.evictionHard,
            config.evictionSoft,
            config.evictionSoftGracePeriod,
            config.evictionMinimumReclaim,
        ),
        eviction_max_pod_grace_s=float(config.evictionMaxPodGracePeriod),
        eviction_transition_s=_duration(config, "evictionPressureTransitionPeriod"),
        shutdown=_shutdown(config),
        image_gc_high=high,
        image_gc_low=low,
        image_gc_age_s=_duration(config, "imageMinimumGCAge"),
        reserved=_reserved(config),
        taints=_taints(config),
        pods_max=config.maxPods,
    )


def _duration(config: KubeletConfiguration, name: str) -> float | None:
    text = getattr(config, name)
    if text is None:
        return None
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise BadConfiguration(f"{name}: {error}") from None
    if seconds < 0:
        raise BadConfiguration(f"{name}: must not be negative")
    return seconds


def _shutdown(config: KubeletConfiguration) -> tuple[PriorityGrace, ...]:
    """Return the times by priority (migrateConfig makes two of upstream's older fields)."""
    whole = _duration(config, "shutdownGracePeriod")
    critical = _duration(config, "shutdownGracePeriodCriticalPods")
    rows = config.shutdownGracePeriodByPodPriority
    if rows:
        if whole is not None or critical is not None:
            raise BadConfiguration(
                "shutdownGracePeriodByPodPriority and shutdownGracePeriod exclude each other"
            )
        if any(row.shutdown_grace_period_seconds < 0 for row in rows):
            raise BadConfiguration("shutdownGracePeriodByPodPriority: must not be negative")
        ordered = sorted(rows, key=lambda row: row.priority)
        return tuple(
            PriorityGrace(priority=row.priority, grace_s=row.shutdown_grace_period_seconds)
            for row in ordered
        )
    if whole is None and critical is None:
        return KubeletOptions().shutdown
    whole, critical = whole or 0.0, critical or 0.0
    if critical > whole:
        raise BadConfiguration(
            "shutdownGracePeriodCriticalPods must be less than or equal to shutdownGracePeriod"
        )
    if whole == 0:
        return ()
    return (
        PriorityGrace(priority=0, grace_s=whole - critical),
        PriorityGrace(priority=_CRITICAL, grace_s=critical),
    )


def _reserved(config: KubeletConfiguration) -> Mapping[str, Fraction]:
    total: dict[str, Fraction] = {}
    for reserved in (config.systemReserved, config.kubeReserved):
        for name, text in reserved.items():
            if name not in ("cpu", "memory", "ephemeral-storage", "pid"):
                raise BadConfiguration(
                    f"cannot reserve {name}: write cpu, memory, ephemeral-storage or pid"
                )
            amount = parse_quantity(text)
            if amount < 0:
                raise BadConfiguration(f"cannot reserve {text} of {name}: it is negative")
            total[name] = total.get(name, Fraction(0)) + amount
    return total


def _taints(config: KubeletConfiguration) -> tuple[Object, ...]:
    effects = ("NoSchedule", "PreferNoSchedule", "NoExecute")
    for taint in config.registerWithTaints:
        if not taint.get("key") or taint.get("effect") not in effects:
            raise BadConfiguration(
                f"registerWithTaints: a taint has a key and an effect of {', '.join(effects)}"
            )
    return config.registerWithTaints
