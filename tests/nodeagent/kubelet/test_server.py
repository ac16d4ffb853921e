"""The kubelet's server over real TLS: who gets in, and what they get."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from loopback import PREFIX

from componentbase.client_certificates import server_context
from componentbase.clock import monotonic, wall
from componentbase.series import Gauge
from componentbase.tasks import Tasks
from kubeapi.resources import TOKENREVIEWS
from nodeagent.hostnet import HostNet
from nodeagent.kubelet.authorization import Authorization
from nodeagent.kubelet.runtime import Runtime
from nodeagent.kubelet.server import KubeletServer, serve
from nodeagent.kubelet.stats.pod_scraper import PodScraper
from nodeagent.kubelet.stats.provider import StatsProvider
from nodeagent.kubelet.stats.summary import NodeShape
from nodeagent.kubelet.streaming import Streaming
from nodeagent.netlink import Netlink
from nodeagent.peer import Peer
from nodeagent.tables import Tables
from podwire.cluster import pki

PROBES = "# HELP probe One.\n# TYPE probe gauge\nprobe 1\n"
ADDRESS, PORT = f"{PREFIX}.78.5", 10250


class OnePod:
    def __init__(self, path) -> None:
        self.path = path

    def pods(self):
        return [{"metadata": {"name": "p"}}]

    def log_path(self, _namespace, pod, container, *, previous):
        if pod != "p":
            raise LookupError(f'pod "{pod}" in namespace "d" not found')
        return self.path.with_name("previous.log") if previous else self.path

    def running(self, _namespace, _pod, _container):
        return False

    def series(self):
        return [Gauge("metric", "One.", (), lambda: {(): 1})]

    def probe_series(self):
        return [Gauge("probe", "One.", (), lambda: {(): 1})]


async def _review(resource, review):
    """Know one token, and let its user see metrics."""
    spec = review["spec"]
    if resource == TOKENREVIEWS:
        user = {"username": "scraper", "groups": []}
        return {"status": {"authenticated": spec["token"] == "good", "user": user}}
    about = spec["resourceAttributes"]
    return {"status": {"allowed": spec["user"] == "scraper" and about["subresource"] == "metrics"}}


def issue(authority, tmp_path, name, identity):
    pair = authority.issue(identity, pki.utc_now())
    pki.write_pair(pair, tmp_path / f"{name}.crt", tmp_path / f"{name}.key")
    return str(tmp_path / f"{name}.crt"), str(tmp_path / f"{name}.key")


@asynccontextmanager
async def serving(tmp_path):
    authority = pki.Authority.new("ca", pki.utc_now())
    pki.write_pair(authority.pair, tmp_path / "ca.crt", tmp_path / "ca.key")
    node = issue(authority, tmp_path, "node", pki.node_identity("node-1", [ADDRESS]))
    (tmp_path / "0.log").write_text("2026-01-01T00:00:00Z stdout F one\n")
    tls = server_context(*node, str(tmp_path / "ca.crt"))
    tasks, pod = Tasks(), OnePod(tmp_path / "0.log")
    authorization = Authorization(_review, "node-1", monotonic)
    hostnet = HostNet(tmp_path / "no.sock")
    streaming = Streaming(pod, hostnet)
    peers = Peer(tmp_path / "no.sock", name="nobody")
    stats = StatsProvider(Runtime(peers), Netlink(peers, {}, tables=Tables()), wall)
    server = KubeletServer(
        pod,
        streaming,
        authorization,
        shape=NodeShape(name="node-1", memory=1 << 30),
        stats=stats,
        scraper=PodScraper(pod.pods, stats, hostnet, wall),
    )
    tasks.spawn(serve(server, ADDRESS, PORT, tls), name="server")
    try:
        yield authority
    finally:
        await tasks.close()


async def get(tmp_path, path: str, certificate: tuple[str, str] | None, token: str = ""):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    if certificate:
        context.load_cert_chain(*certificate)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:
        for _ in range(100):
            try:
                async with session.get(
                    f"https://{ADDRESS}:{PORT}{path}", headers=headers
                ) as response:
                    return response.status, await response.text()
            except aiohttp.ClientConnectorError as error:
                if isinstance(error, aiohttp.ClientSSLError):
                    raise
                await asyncio.sleep(0.02)
    raise AssertionError("the server did not come up")


@pytest.mark.asyncio
async def test_api_server_reads_logs_and_pods(tmp_path):
    async with serving(tmp_path) as authority:
        who = pki.Identity(user="system:kube-apiserver")
        api = issue(authority, tmp_path, "api", who)
        assert await get(tmp_path, "/healthz", api) == (200, "ok")
        assert await get(tmp_path, "/containerLogs/d/p/main", api) == (200, "one\n")
        timed = "/containerLogs/d/p/main?timestamps=true"
        assert await get(tmp_path, timed, api) == (200, "2026-01-01T00:00:00Z one\n")
        assert (await get(tmp_path, "/containerLogs/d/no/main", api))[0] == 400
        assert (await get(tmp_path, "/containerLogs/d/p/main?tailLines=x", api))[0] == 400
        assert await get(tmp_path, "/containerLogs/d/p/main?previous=true", api) == (200, "")
        assert '"PodList"' in (await get(tmp_path, "/pods", api))[1]
        assert await get(tmp_path, "/metrics/probes", api) == (200, PROBES)
        status, text = await get(tmp_path, "/metrics", api)
        assert status == 200
        assert "\nmetric 1\n" in text
        assert "# TYPE rest_client_requests_total counter\n" in text
        status, text = await get(tmp_path, "/metrics/resource", api)
        assert (status, "node_cpu_usage_seconds_total " in text) == (200, True)
        assert text.endswith("resource_scrape_error 1\n")  # There is no runtime.
        assert '"nodeName":"node-1"' in (await get(tmp_path, "/stats/summary", api))[1]


@pytest.mark.asyncio
async def test_admins_are_served_others_are_not(tmp_path):
    async with serving(tmp_path) as authority:
        root = issue(authority, tmp_path, "a", pki.Identity(user="me", groups=("system:masters",)))
        assert (await get(tmp_path, "/healthz", root))[0] == 200
        other = issue(authority, tmp_path, "b", pki.Identity(user="system:node:node-2"))
        status, text = await get(tmp_path, "/healthz", other)
        assert (status, "system:node:node-2" in text) == (403, True)
        assert await get(tmp_path, "/healthz", None) == (401, "Unauthorized")


@pytest.mark.asyncio
async def test_a_certificate_of_another_authority_is_not_believed(tmp_path):
    masters = pki.Identity(user="me", groups=("system:masters",))
    async with serving(tmp_path) as authority:
        elsewhere = issue(pki.Authority.new("ca", pki.utc_now()), tmp_path, "else", masters)
        year_ago = authority.issue(masters, pki.utc_now() - timedelta(days=400))
        old = str(tmp_path / "old.crt"), str(tmp_path / "old.key")
        pki.write_pair(year_ago, *map(Path, old))
        for files in (elsewhere, old):
            assert await get(tmp_path, "/healthz", files) == (401, "Unauthorized")
            assert await get(tmp_path, "/metrics/probes", files, "good") == (200, PROBES)
            assert await get(tmp_path, "/metrics", files, "bad") == (401, "Unauthorized")


@pytest.mark.asyncio
async def test_tokens_are_believed_as_the_api_server_says(tmp_path):
    async with serving(tmp_path):
        assert await get(tmp_path, "/metrics/probes", None, "good") == (200, PROBES)
        assert await get(tmp_path, "/metrics", None, "bad") == (401, "Unauthorized")
        status, text = await get(tmp_path, "/pods", None, "good")
        what = "verb=get, resource=nodes, subresource=proxy"
        assert (status, text) == (403, f"Forbidden (user=scraper, {what})")
