"""Which pods are read, where, and what is made of what they say."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from componentbase.exposition import parse
from componentbase.process_usage import Usage
from nodeagent.hostnet import HostNet
from nodeagent.kubelet.stats.pod_metrics import Target, counted, said, targets
from nodeagent.kubelet.stats.pod_scraper import PodScraper
from nodeagent.kubelet.stats.reading import ContainerStats, PodStats, Reading

AT = 1_700_000_000.0
TARGET = Target(namespace="ns", pod="web", address="10.244.1.2", port=8080, path="/metrics")


def pod(ports: tuple[int, ...] = (8080,), phase: str = "Running", **annotations: str) -> dict:
    return {
        "metadata": {
            "name": "web",
            "namespace": "ns",
            "annotations": {f"prometheus.io/{key}": text for key, text in annotations.items()},
        },
        "spec": {"containers": [{"ports": [{"containerPort": port} for port in ports]}]},
        "status": {"phase": phase, "podIP": "10.244.1.2"},
    }


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        (pod(), None),
        (pod(scrape="false"), None),
        (pod(scrape="true"), (8080, "/metrics")),
        (pod((), scrape="true", port="9102", path="stats"), (9102, "/stats")),
        (pod((), scrape="true"), None),
        (pod(scrape="true", port="http"), None),
        (pod(scrape="true", port="70000"), None),
        (pod(scrape="true", port="9" * 5000), None),
        (pod(scrape="true", path="/a b"), None),
        (pod(scrape="true", phase="Pending"), None),
    ],
)
def test_annotated_pods_are_read(asked, where):
    assert [(each.port, each.path) for each in targets([asked])] == ([where] if where else [])


def test_labels_say_whose_a_sample_is():
    text = 'http_requests_total{pod="x",code="200"} 3\nwait_bucket{le="1"} 2\n'
    mine = (("namespace", "ns"), ("pod", "web"))
    requests, up = said(TARGET, text, AT)
    assert requests.labels == (("code", "200"), ("exported_pod", "x"), *mine)
    assert (requests.value, requests.at) == (3.0, AT)
    assert (up.name, up.labels, up.value) == ("up", mine, 1.0)


@pytest.mark.parametrize("text", [None, "<html>no metrics</html>"])
def test_a_pod_that_says_nothing_usable_is_not_up(text):
    (up,) = said(TARGET, text, AT)
    assert (up.name, up.value) == ("up", 0.0)


def test_the_runtime_counts_for_pods_that_are_not_asked():
    def stats(name: str) -> PodStats:
        containers = (
            ContainerStats(name="web", started_at=AT, usage=Usage(), requests=7),
            ContainerStats(name="sidecar", started_at=AT, usage=Usage()),
        )
        return PodStats(
            uid=name, name=name, namespace="ns", started_at=AT, at=AT, usage=Usage(), processes=1,
            containers=containers,
        )  # fmt: skip

    reading = Reading(at=AT, started_at=AT, system={}, pods=(stats("web"), stats("quiet")))
    (sample,) = counted(reading, [TARGET])
    assert str(sample) == (
        'http_requests_total{container="web",namespace="ns",pod="quiet"} 7.0 1700000000000'
    )


class _NoStats:
    async def read(self) -> Reading:
        return Reading(at=AT, started_at=AT, system={})


@asynccontextmanager
async def _datapath(path, answer: bytes):
    """Stand for the datapath (contracts.md §6): connect, then be the pod's server."""
    asked: list[object] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(json.loads(await reader.readline())["connect"])
        writer.write(b'{"ok": true}\n')
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode())
        writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield asked
    finally:
        server.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "up", "names"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\njobs 3\n", 1.0, ["jobs", "up"]),
        (b"HTTP/1.1 404 Not Found\r\n\r\njobs 3\n", 0.0, ["up"]),
        (b"HTTP/1.1 200 OK\r\n\r\n\xff", 0.0, ["up"]),
        (b"", 0.0, ["up"]),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (2 << 20), 0.0, ["up"]),
    ],
)
async def test_pods_are_asked_over_the_nodes_own_stack(tmp_path, answer, up, names):
    path = tmp_path / "hostnet.sock"
    async with _datapath(path, answer) as asked:
        annotated = pod(scrape="true", path="/stats")
        scraper = PodScraper(lambda: [annotated], _NoStats(), HostNet(path), lambda: AT)
        samples = parse(await scraper.text(), 10)
        assert await scraper.text()  # At once again: nobody is asked twice.
    assert asked == [["10.244.1.2", 8080], "GET /stats HTTP/1.0"]
    assert [sample.name for sample in samples] == names
    assert samples[-1].value == up


@pytest.mark.asyncio
async def test_without_a_datapath_pods_are_not_up(tmp_path):
    annotated = pod(scrape="true")
    hostnet = HostNet(tmp_path / "no.sock")
    scraper = PodScraper(lambda: [annotated], _NoStats(), hostnet, lambda: AT)
    text = await scraper.text()
    assert text.startswith("up{")
    assert " 0.0 " in text
