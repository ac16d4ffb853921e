"""The Summary, and the resource metrics that are made of it."""

from fractions import Fraction

from nodeagent.kubelet.eviction.observations import SandboxStats
from nodeagent.kubelet.runtime_status import (
    ContainerState,
    ContainerStatus,
    PodRuntimeStatus,
    SandboxStatus,
)
from nodeagent.kubelet.stats import NodeShape, StatsProvider, resource_metrics, summary

NODE = NodeShape(name="node-1", memory=Fraction(1 << 30), started_at=0)
POD = {"metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "status": {"startTime": "s"}}


def running(*names: str) -> PodRuntimeStatus:
    containers = tuple(
        ContainerStatus(id=name, sandbox_id="s", name=name, attempt=0, state=ContainerState.RUNNING)
        for name in names
    )
    made = SandboxStatus(id="s", attempt=0, ready=True)
    return PodRuntimeStatus(
        uid="u", name="web", namespace="shop", sandboxes=(made,), containers=containers
    )


def sampled() -> StatsProvider:
    provider = StatsProvider()
    provider.sample({"s": SandboxStats(cpu_ns=1_000_000_000, memory=5, processes=2)}, 10)
    provider.sample({"s": SandboxStats(cpu_ns=3_000_000_000, memory=1 << 20, processes=3)}, 14)
    return provider


def test_a_rate_is_that_between_two_samples():
    rated = sampled().of("s")
    assert (rated.cpu_ns, rated.nano_cores, rated.memory) == (3_000_000_000, 500_000_000, 1 << 20)
    assert sampled().of("other") is None


def test_one_sample_is_no_rate():
    provider = StatsProvider()
    provider.sample({"s": SandboxStats(cpu_ns=7)}, 10)
    assert provider.of("s").nano_cores == 0


def test_summary_adds_up_and_containers_share_evenly():
    found = summary(NODE, [(POD, running("a", "b"))], sampled(), 100.0)
    (pod,) = found["pods"]
    assert pod["podRef"] == {"name": "web", "namespace": "shop", "uid": "u"}
    assert [each["cpu"]["usageNanoCores"] for each in pod["containers"]] == [250_000_000] * 2
    assert found["node"]["cpu"]["usageNanoCores"] == 500_000_000
    assert found["node"]["memory"]["availableBytes"] == (1 << 30) - (1 << 20)
    assert found["node"]["rlimit"]["curproc"] == 3


def test_resource_metrics_have_upstreams_names_and_labels():
    text = resource_metrics(summary(NODE, [(POD, running("a"))], sampled(), 100.0))
    labels = 'container="a",namespace="shop",pod="web"'
    assert f"container_cpu_usage_seconds_total{{{labels}}} 3.0\n" in text
    assert f"container_memory_working_set_bytes{{{labels}}} {1 << 20}\n" in text
    assert "node_cpu_usage_seconds_total 3.0\n" in text
    assert 'pod_memory_working_set_bytes{namespace="shop",pod="web"}' in text
