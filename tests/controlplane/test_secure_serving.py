"""Health and metrics of both managers, over HTTPS, from real processes."""

from __future__ import annotations

import http.client
import json
import ssl
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from podwire.cluster import pki

from .control_plane import running

PORTS = {"scheduler": 10259, "controller-manager": 10257}
PEOPLE = {
    "admin": pki.ADMIN,
    "prometheus": pki.Identity(user="prometheus", groups=("system:monitoring",)),
    "jane": pki.Identity(user="jane"),
}
LEADERS = {"scheduler": "kube-scheduler", "controller-manager": "kube-controller-manager"}


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with running(home) as plane:
        for name in PORTS:
            plane.start(name)
        paths = plane.paths
        authority = pki.Authority.load(
            paths.certificate("ca").read_bytes(), paths.private_key("ca").read_bytes()
        )
        for who, identity in PEOPLE.items():
            pair = authority.issue(identity, pki.utc_now())
            pki.write_pair(pair, home / f"{who}.crt", home / f"{who}.key")

        def call(name, path, *, who="", token="", method="GET"):
            config = json.loads(paths.config(name).read_bytes())["serving"]
            assert config["port"] == PORTS[name]
            tls = ssl.create_default_context(cafile=config["client_ca"])
            if who:
                tls.load_cert_chain(home / f"{who}.crt", home / f"{who}.key")
            connection = http.client.HTTPSConnection(
                config["address"], config["port"], context=tls, timeout=10
            )
            try:
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                connection.request(method, path, headers=headers)
                answer = connection.getresponse()
                return answer.status, answer.read().decode()
            finally:
                connection.close()

        def works(name):
            sample = f'leader_election_master_status{{name="{LEADERS[name]}"}} 1'
            try:
                heard = call(name, "/readyz")[0] == 200
                return heard and sample in call(name, "/metrics", who="admin")[1]
            except OSError:
                return False

        deadline = time.monotonic() + 20
        while not all(works(name) for name in PORTS):
            assert time.monotonic() < deadline, "nobody leads"
            time.sleep(0.05)
        yield call


@pytest.mark.parametrize("name", PORTS)
def test_health_is_for_everybody(ask, name):
    for path in ("/healthz", "/livez", "/readyz"):
        assert ask(name, path) == (200, "ok")
    status, text = ask(name, "/healthz?verbose")
    assert (status, text.splitlines()[:2]) == (200, ["[+]ping ok", "[+]leaderElection ok"])
    assert text.endswith("healthz check passed\n")
    assert ask(name, "/healthz/leaderElection", who="admin") == (200, "ok")


@pytest.mark.parametrize("name", PORTS)
def test_metrics_are_for_who_may_read_them(ask, name):
    status, text = ask(name, "/metrics")
    assert (status, json.loads(text)["message"]) == (
        403,
        'forbidden: User "system:anonymous" cannot get path "/metrics"',
    )
    status, text = ask(name, "/metrics", who="jane")
    assert (status, json.loads(text)["reason"]) == (403, "Forbidden")
    assert ask(name, "/metrics", token="forged")[0] == 401
    assert ask(name, "/metrics", who="prometheus")[0] == 200
    assert ask(name, "/nothing", who="admin") == (404, "404 page not found\n")
    assert ask(name, "/metrics", who="admin", method="POST")[0] == 405


def families(ask, name):
    return {each.name: each for each in text_string_to_metric_families(
        ask(name, "/metrics", who="admin")[1]
    )}  # fmt: skip


def test_what_the_controller_manager_counts(ask):
    found = families(ask, "controller-manager")
    queues = {sample.labels["name"] for sample in found["workqueue_depth"].samples}
    assert {"deployment", "replicaset", "endpoint_slice", "job", "namespace"} <= queues
    added = {s.labels["name"]: s.value for s in found["workqueue_adds"].samples}
    assert added["serviceaccount"] >= 1
    codes = {(s.labels["code"], s.labels["method"]) for s in found["rest_client_requests"].samples}
    assert {("200", "GET"), ("201", "POST")} <= codes
    assert found["workqueue_work_duration_seconds"].type == "histogram"
    assert found["rest_client_request_duration_seconds"].type == "histogram"
    running = {s.labels["name"] for s in found["running_managed_controllers"].samples}
    assert "deployment-controller" in running
    assert found["process_resident_memory_bytes"].samples[0].value > 1 << 20


def test_what_the_scheduler_counts(ask):
    found = families(ask, "scheduler")
    queues = {s.labels["queue"]: s.value for s in found["scheduler_pending_pods"].samples}
    assert set(queues) == {"active", "backoff", "unschedulable", "gated"}
    kinds = {s.labels["type"] for s in found["scheduler_cache_size"].samples}
    assert kinds == {"nodes", "pods", "assumed_pods"}
    assert found["scheduler_schedule_attempts"].type == "counter"
    assert found["scheduler_scheduling_attempt_duration_seconds"].type == "histogram"
    assert found["scheduler_preemption_victims"].type == "histogram"
