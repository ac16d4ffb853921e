"""NodeMetrics and PodMetrics (metrics.k8s.io/v1beta1): what is used now.

They stand in the table of kinds so that clients find them; `routes.resource_metrics` answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi.objects import Object, name_of
from kubeapi.quantity import parse_quantity
from kubeapi.resources import NODEMETRICS, PODMETRICS

_COLUMNS: Final = (
    cells.NAME,
    Column("CPU", description="Cores in use."),
    Column("Memory", description="Memory in use."),
    Column("Window", description="How long the use of CPU is an average of."),
)


def _row(metrics: Object, usages: Iterable[Mapping[str, str]]) -> Sequence[Cell]:
    cores = octets = 0.0
    for usage in usages:
        cores += float(parse_quantity(usage["cpu"]))
        octets += float(parse_quantity(usage["memory"]))
    used = f"{round(cores * 1e9)}n", f"{round(octets / 1024)}Ki"
    return name_of(metrics), *used, metrics["window"]


def node_row(metrics: Object, _now: float) -> Sequence[Cell]:
    return _row(metrics, [metrics["usage"]])


def pod_row(metrics: Object, _now: float) -> Sequence[Cell]:
    return _row(metrics, [container["usage"] for container in metrics["containers"]])


NODE_METRICS: Final = Kind(
    resource=NODEMETRICS,
    singular="",
    virtual=True,
    verbs=("get", "list"),
    columns=_COLUMNS,
    cells=node_row,
)
POD_METRICS: Final = Kind(
    resource=PODMETRICS,
    singular="",
    virtual=True,
    verbs=("get", "list"),
    columns=_COLUMNS,
    cells=pod_row,
)
