"""Points in time of each node, and what two of them say (metrics-server: pkg/storage).

CPU is a counter, so a rate takes two points; a container that began after the earlier one is
compared with its own beginning, once it has run for a while. Who has no two points is left out, and
so is a pod of which one container is missing: half a pod would make an autoscaler shrink it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

#: metrics-server: freshContainerMinMetricsResolution, as a part of the resolution (10 s of 15 s).
_FRESH_PART: Final = 10 / 15
_SAMPLE: Final = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)(?: (\d+))?$")
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
_SECONDS, _OCTETS = "cpu_usage_seconds_total", "memory_working_set_bytes"
_BEGUN: Final = "container_start_time_seconds"
#: What one node's page may tell of.
_CONTAINERS_MAX: Final = 10_000

PodName = tuple[str, str]
ContainerName = tuple[str, str, str]


@dataclass(slots=True)
class Point:
    """What was used until `at` (Unix seconds): core-seconds since the start, octets now."""

    at: float = 0.0
    cpu_s: float = 0.0
    working_set: float = 0.0
    started_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Use:
    """What is used: cores, averaged over `window_s` until `at`, and octets."""

    at: float
    window_s: float
    cores: float
    working_set: float


@dataclass(slots=True)
class Page:
    """One reading of a node; containers by (namespace, pod, container)."""

    node: Point = field(default_factory=Point)
    containers: dict[ContainerName, Point] = field(default_factory=dict)


def parse(text: str) -> Page:
    """Read a kubelet's /metrics/resource; raises ValueError when it is none."""
    page = Page()
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        sample = _SAMPLE.match(line)
        if sample is None:
            raise ValueError(f"not a sample: {line[:80]!r}")
        name, labels, value, at = sample.groups()
        point = _point(page, name, labels or "")
        if point is not None:
            _note(point, name, float(value), int(at or 0) / 1000)
    if not page.node.at:
        raise ValueError("nothing of the node itself")
    return page


def _point(page: Page, name: str, labels: str) -> Point | None:
    if name.startswith("node_"):
        return page.node
    if not name.startswith("container_"):
        return None
    known = dict(_LABEL.findall(labels))
    whose = (known.get("namespace", ""), known.get("pod", ""), known.get("container", ""))
    if whose not in page.containers and len(page.containers) >= _CONTAINERS_MAX:
        raise ValueError(f"more than {_CONTAINERS_MAX} containers")
    return page.containers.setdefault(whose, Point())


def _note(point: Point, name: str, value: float, at: float) -> None:
    if name == _BEGUN:
        point.started_at = value
    elif name.endswith(_SECONDS):
        point.cpu_s, point.at = value, at
    elif name.endswith(_OCTETS):
        point.working_set = value


def use(last: Point, before: Point) -> Use | None:
    """Return what was used between two points; None when they tell nothing (a counter fell)."""
    window_s = last.at - before.at
    if window_s <= 0 or last.cpu_s < before.cpu_s:
        return None
    return Use(last.at, window_s, (last.cpu_s - before.cpu_s) / window_s, last.working_set)


class Readings:
    """The last two pages of every node."""

    def __init__(self, resolution_s: float) -> None:
        self._fresh_s = resolution_s * _FRESH_PART
        self._pages: dict[str, tuple[Page | None, Page]] = {}

    def read(self, node: str, text: str) -> None:
        """Take the newest page of *node* as it is written; raises ValueError when it is none."""
        self.take(node, parse(text))

    def take(self, node: str, page: Page) -> None:
        """Take the newest page of *node*."""
        held = self._pages.get(node)
        before = None if held is None else held[1]
        if before is not None and page.node.at <= before.node.at:
            return  # The kubelet had nothing newer.
        self._pages[node] = (before, page)

    def keep(self, nodes: Iterable[str]) -> None:
        """Forget every other node."""
        wanted = set(nodes)
        self._pages = {name: held for name, held in self._pages.items() if name in wanted}

    def drop(self, node: str) -> None:
        """Forget a node that could not be read, as a batch without it does upstream."""
        self._pages.pop(node, None)

    def forget(self) -> None:
        """Forget everything."""
        self._pages.clear()

    def node(self, name: str) -> Use | None:
        """Return what a node uses; None when that is not known."""
        before, last = self._pages.get(name, (None, None))
        if before is None or last is None:
            return None
        return use(last.node, before.node)

    def pods(self, node: str) -> Mapping[PodName, Mapping[str, Use]]:
        """Return what the containers of the node's pods use; whole pods only."""
        before, last = self._pages.get(node, (None, None))
        if last is None:
            return {}
        found: dict[PodName, dict[str, Use]] = {}
        partial: set[PodName] = set()
        for whose, point in last.containers.items():
            namespace, pod, container = whose
            used = self._container(point, None if before is None else before.containers.get(whose))
            if used is None:
                partial.add((namespace, pod))
            else:
                found.setdefault((namespace, pod), {})[container] = used
        return {name: used for name, used in found.items() if name not in partial}

    def _container(self, last: Point, before: Point | None) -> Use | None:
        if before is not None and last.started_at <= before.at:
            return use(last, before)
        if last.started_at and last.at - last.started_at >= self._fresh_s:
            return use(last, Point(at=last.started_at))
        return None
