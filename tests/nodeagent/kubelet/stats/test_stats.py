"""Readings, and the two pages that are made of them."""

from __future__ import annotations

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from componentbase.process_usage import Usage
from nodeagent.kubelet.runtime_status import (
    ContainerState,
    ContainerStatus,
    PodRuntimeStatus,
    SandboxStatus,
)
from nodeagent.kubelet.stats.reading import Reading, SandboxRow, pods_of
from nodeagent.kubelet.stats.resource_metrics import exposition
from nodeagent.kubelet.stats.summary import NodeShape, summary

AT = 1_700_000_000.25
MIB = 1024 * 1024
NODE = NodeShape(name="node-1", memory=16 * MIB)


def container(name: str, state=ContainerState.RUNNING) -> ContainerStatus:
    return ContainerStatus(
        id=f"id-{name}", sandbox_id="s1", name=name, attempt=0, state=state, started_at=AT - 60
    )


def known(*containers: ContainerStatus) -> dict[str, PodRuntimeStatus]:
    sandbox = SandboxStatus(id="s1", attempt=0, ready=True, created_at=AT - 61)
    pod = PodRuntimeStatus(
        uid="u1", name="web", namespace="default", sandboxes=(sandbox,), containers=containers
    )
    return {"u1": pod}


def row(at: float = AT, cpu_ns: int = 3_000_000_000, **containers: int) -> SandboxRow:
    used = {
        "pod_sandbox_id": "s1",
        "timestamp": at,
        "cpu_ns": cpu_ns,
        "memory_octets": 4 * MIB,
        "processes": 2,
        "containers": [
            {"id": f"id-{name}", "cpu_ns": ns, "memory_octets": 2 * MIB}
            for name, ns in containers.items()
        ],
    }
    return msgspec.convert(used, SandboxRow)


def reading(at: float = AT, cpu_ns: int = 3_000_000_000, **containers: int) -> Reading:
    pods = pods_of([row(at, cpu_ns, **containers)], known(*map(container, containers)))
    system = {"kubelet": Usage(1_000_000_000, MIB, 2 * MIB), "misc": Usage(500_000_000, MIB, MIB)}
    return Reading(at=at, started_at=AT - 100, system=system, pods=pods)


def test_a_node_uses_what_its_processes_and_pods_use():
    found = reading(app=2_000_000_000)
    assert found.node == Usage(4_500_000_000, 6 * MIB, 7 * MIB)
    (pod,) = found.pods
    assert (pod.namespace, pod.name, pod.started_at) == ("default", "web", AT - 61)
    assert [(each.name, each.usage.cpu_ns) for each in pod.containers] == [("app", 2_000_000_000)]


def test_what_has_ended_or_is_unknown_is_left_out():
    ended = container("init", ContainerState.EXITED)
    (pod,) = pods_of([row(app=1, init=5)], known(container("app"), ended))
    assert [each.name for each in pod.containers] == ["app"]
    assert pods_of([row(app=1)], {}) == ()
    assert pods_of([], known(container("app"))) == ()


def test_resource_metrics_are_read_by_prometheus():
    text = exposition(reading(app=2_000_000_000, sidecar=1_000_000_000))
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["node_cpu_usage_seconds"].samples[0].value == 4.5
    assert families["pod_memory_working_set_bytes"].samples[0].value == 4 * MIB
    of = {
        sample.labels["container"]: (sample.value, sample.timestamp)
        for sample in families["container_cpu_usage_seconds"].samples
    }
    assert of == {"app": (2.0, AT), "sidecar": (1.0, AT)}
    began = families["container_start_time_seconds"].samples[0]
    assert began.labels == {"container": "app", "namespace": "default", "pod": "web"}
    assert began.value == AT - 60
    assert families["resource_scrape_error"].samples[0].value == 0


def test_a_runtime_that_does_not_answer_is_told():
    text = exposition(Reading(at=AT, started_at=AT, system={}, is_partial=True))
    assert text.endswith("resource_scrape_error 1\n")
    assert "container_" not in text.replace("container metrics", "")


def test_summary_has_rates_once_there_was_a_reading_before():
    first, second = reading(app=1_000_000_000), reading(AT + 10, 5_000_000_000, app=2_000_000_000)
    alone = summary(NODE, first, None)
    assert "usageNanoCores" not in alone["node"]["cpu"]
    shown = summary(NODE, second, first)
    assert shown["node"]["nodeName"] == "node-1"
    assert shown["node"]["cpu"]["usageNanoCores"] == 200_000_000
    assert [each["name"] for each in shown["node"]["systemContainers"]] == [
        "kubelet",
        "misc",
        "pods",
    ]
    (pod,) = shown["pods"]
    assert pod["podRef"] == {"name": "web", "namespace": "default", "uid": "u1"}
    assert pod["cpu"]["usageCoreNanoSeconds"] == 5_000_000_000
    assert pod["process_stats"] == {"process_count": 2}
    assert shown["node"]["memory"]["availableBytes"] == 10 * MIB
    assert shown["node"]["rlimit"]["curproc"] == 2
    (app,) = pod["containers"]
    assert app["cpu"]["usageNanoCores"] == 100_000_000
    assert app["memory"]["workingSetBytes"] == 2 * MIB
    assert pod["startTime"] == "2023-11-14T22:12:19Z"


@pytest.mark.parametrize("restarted", [True, False])
def test_a_container_that_has_restarted_has_no_rate(restarted):
    first = reading(app=9_000_000_000)
    later = known(container("app"))
    if restarted:
        fresh = msgspec.structs.replace(row(AT + 10, app=1))
        changed = ContainerStatus(
            id="id-app", sandbox_id="s1", name="app", attempt=1,
            state=ContainerState.RUNNING, started_at=AT + 5,
        )  # fmt: skip
        later = known(changed)
    else:
        fresh = row(AT + 10, app=9_000_000_000)
    second = Reading(at=AT + 10, started_at=AT, system={}, pods=pods_of([fresh], later))
    ((app,),) = [pod["containers"] for pod in summary(NODE, second, first)["pods"]]
    assert ("usageNanoCores" in app["cpu"]) is not restarted
