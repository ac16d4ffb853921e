"""Prometheus, with the scrape configuration of its own Kubernetes example, in a whole cluster.

It runs where PODWIRE_TEST_PROMETHEUS names its program; PODWIRE_TEST_PROMTOOL its promtool.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from clusters import Lab

PROMETHEUS = os.environ.get("PODWIRE_TEST_PROMETHEUS")
PROMTOOL = os.environ.get("PODWIRE_TEST_PROMTOOL")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not PROMETHEUS, reason="PODWIRE_TEST_PROMETHEUS names no program"),
]
ACCOUNT = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: prometheus}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: prometheus}
rules:
- apiGroups: [""]
  resources: [nodes, nodes/proxy, nodes/metrics, services, endpoints, pods]
  verbs: [get, list, watch]
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}
- {nonResourceURLs: [/metrics], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: prometheus}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: prometheus}
subjects: [{kind: ServiceAccount, name: prometheus, namespace: default}]
"""
#: What the managers and the nodes show besides the API server, by how they are reached.
PAGES = ("/metrics", "/api/v1/nodes/node-1/proxy/metrics")
BOUND_S = 60.0


class Scraper:
    """A Prometheus outside of the cluster, with a service account's token."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        lab.apply(ACCOUNT)
        cluster = yaml.safe_load(lab.paths.kubeconfig.read_text())["clusters"][0]["cluster"]
        self.server = cluster["server"]
        self._directory = directory
        (directory / "token").write_text(lab.kubectl("create", "token", "prometheus"))
        authority = base64.b64decode(cluster.get("certificate-authority-data", ""))
        (directory / "ca.crt").write_bytes(
            authority or Path(cluster["certificate-authority"]).read_bytes()
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def start(self) -> subprocess.Popen[bytes]:
        configuration = self._directory / "prometheus.yml"
        configuration.write_text(yaml.safe_dump(self._configuration()))
        assert PROMETHEUS
        command = [
            PROMETHEUS,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self._directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        with (self._directory / "log").open("wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    def _configuration(self) -> dict[str, Any]:
        access = {
            "tls_config": {"ca_file": str(self._directory / "ca.crt")},
            "authorization": {"credentials_file": str(self._directory / "token")},
        }
        to_server = {
            "target_label": "__address__",
            "replacement": self.server.removeprefix("https://"),
        }
        kept = {"action": "keep", "regex": "default;kubernetes;https"}
        name = ["__meta_kubernetes_namespace", "__meta_kubernetes_service_name"]
        port = "__meta_kubernetes_endpointslice_port_name"
        path = {
            "source_labels": ["__meta_kubernetes_node_name"],
            "target_label": "__metrics_path__",
            "replacement": "/api/v1/nodes/$1/proxy/metrics",
        }
        jobs = {
            "endpointslice": [{**kept, "source_labels": [*name, port]}, to_server],
            "node": [to_server, path],
        }
        return {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [
                {
                    "job_name": role,
                    "scheme": "https",
                    **access,
                    "kubernetes_sd_configs": [{"role": role, "api_server": self.server, **access}],
                    "relabel_configs": rules,
                }
                for role, rules in jobs.items()
            ],
        }

    def asked(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return json.loads(answer.read())["data"]

    def health(self) -> list[tuple[str, str, str]]:
        targets = self.asked("/api/v1/targets")["activeTargets"]
        return sorted((each["scrapePool"], each["health"], each["lastError"]) for each in targets)


@pytest.fixture(scope="module")
def scraper(lab, tmp_path_factory) -> Iterator[Scraper]:
    made = Scraper(lab, tmp_path_factory.mktemp("prometheus"))
    process = made.start()
    yield made
    process.kill()
    process.wait()


def test_every_target_is_up(lab, scraper):
    nodes = [("node", "up", "")] * 3
    wanted = [("endpointslice", "up", ""), *nodes]
    lab.eventually(lambda: scraper.health() == wanted, within_s=BOUND_S, what="targets are up")


@pytest.mark.parametrize(
    "query", ["apiserver_request_total", "process_cpu_seconds_total", "kubelet_running_pods"]
)
def test_what_dashboards_ask_is_there(lab, scraper, query):
    path = f"/api/v1/query?query=count({query})"
    lab.eventually(lambda: scraper.asked(path)["result"], within_s=BOUND_S, what=query)


@pytest.mark.skipif(not PROMTOOL, reason="PODWIRE_TEST_PROMTOOL names no program")
@pytest.mark.parametrize("page", PAGES)
def test_promtool_finds_no_fault(lab, page):
    assert PROMTOOL
    text = lab.kubectl("get", "--raw", page)
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
