"""A Service's row (upstream: printService)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.apiserver.kinds import cells
from controlplane.apiserver.kinds.kind import Cell, Column
from kubeapi.objects import Object, name_of

COLUMNS: Final = (
    cells.NAME,
    Column("Type", description="How the service is reached."),
    Column("Cluster-IP", description="Virtual address inside the cluster."),
    Column("External-IP", description="Address outside the cluster."),
    Column("Port(s)", description="Ports, and node ports behind the colon."),
    cells.AGE,
    cells.SELECTOR,
)


def row(service: Object, now: float) -> Sequence[Cell]:
    spec = service.get("spec") or {}
    cluster_ips = spec.get("clusterIPs") or [spec.get("clusterIP")]
    return (
        name_of(service),
        spec.get("type") or "",
        cluster_ips[0] or cells.NONE,
        _external_ip(service),
        ",".join(map(_port, spec.get("ports") or [])) or cells.NONE,
        cells.age(service, now),
        cells.labels(spec.get("selector")),
    )


def _port(port: Object) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}"


def _external_ip(service: Object) -> str:
    spec = service.get("spec") or {}
    addresses: list[str] = list(spec.get("externalIPs") or [])
    if spec.get("type") == "ExternalName":
        return spec.get("externalName") or ""
    if spec.get("type") != "LoadBalancer":
        return ",".join(addresses) or cells.NONE
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    balanced = sorted(entry.get("ip") or entry.get("hostname") or "" for entry in ingress)
    return ",".join([*balanced, *addresses]) or "<pending>"
