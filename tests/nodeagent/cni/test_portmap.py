"""Which rows pods with host ports have, and who keeps a port that two want."""

from __future__ import annotations

import pytest

from nodeagent.cni.portmap import TABLE, Portmap, entries
from nodeagent.tables import Tables


def pod(name="web", *ports, ips=("10.244.1.5",), phase="Running", **spec):
    containers = [{"name": "c", "ports": list(ports) or [port()]}]
    return {
        "metadata": {"name": name, "namespace": "d", "uid": name},
        "spec": {"containers": containers, **spec},
        "status": {"phase": phase, "podIPs": [{"ip": ip} for ip in ips]},
    }


def port(host_port=8080, container_port=80, **fields):
    return {"containerPort": container_port, "hostPort": host_port, **fields}


def short(one):
    return [
        f"{row['protocol']} {row['address']}:{row['port']} {row['target']}:{row['target_port']}"
        for row in entries(one)
    ]


@pytest.mark.parametrize(
    ("one", "rows"),
    [
        (pod(), ["TCP :8080 10.244.1.5:80"]),
        (pod("web", port(protocol="UDP")), ["UDP :8080 10.244.1.5:80"]),
        (pod("web", port(protocol="SCTP")), []),
        (pod("web", {"containerPort": 80}), []),
        (pod("web", port(hostIP="0.0.0.0")), ["TCP :8080 10.244.1.5:80"]),
        (pod("web", port(hostIP="192.168.64.1")), ["TCP 192.168.64.1:8080 10.244.1.5:80"]),
        (pod("web", port(hostIP="::"), ips=("10.244.1.5", "fd00::5")), ["TCP :::8080 fd00::5:80"]),
        (
            pod(ips=("10.244.1.5", "fd00::5")),
            ["TCP :8080 10.244.1.5:80", "TCP :::8080 fd00::5:80"],
        ),
        (pod(ips=()), []),
        (pod(phase="Succeeded"), []),
        (pod(hostNetwork=True), []),
    ],
)
def test_rows_follow_from_the_pod(one, rows):
    assert short(one) == rows


def test_the_first_of_two_pods_has_the_port_until_it_is_gone():
    tables = Tables()
    portmap = Portmap(tables)

    def owner():
        row = tables.wanted(TABLE).get(("", 8080, "TCP"))
        return row and row["pod"]

    portmap.pod_changed(pod("first"))
    portmap.pod_changed(pod("second", ips=("10.244.1.6",)))
    assert owner() == "d/first"
    portmap.pod_changed(pod("second", port(9090), ips=("10.244.1.6",)))
    portmap.pod_changed(pod("second", ips=("10.244.1.6",)))
    assert owner() == "d/first"
    portmap.pod_changed(pod("first", phase="Failed"))
    assert owner() == "d/second"
    portmap.pod_gone(pod("second"))
    assert owner() is None
    assert not tables.wanted(TABLE)
