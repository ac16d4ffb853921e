"""kube-proxy's metrics server."""

from __future__ import annotations

from nodeagent.proxy.metrics import ProxyMetrics


def test_the_server_answers_what_upstreams_does():
    metrics = ProxyMetrics("ipvs", lambda: {"internal": 0, "external": 2})
    metrics.pending = lambda: (3, 4)
    metrics.sync_seconds.observe((), 0.003)
    metrics.synced_at = 1_700_000_000.5
    metrics.service_changes.add((), 2)
    assert metrics.answer("/healthz", "")[::2] == (200, "ok")
    assert metrics.answer("/proxyMode", "")[::2] == (200, "ipvs")
    assert metrics.answer("/debug", "")[0] == 404
    status, headers, body = metrics.answer("/metrics", "kubeproxy_other 1\n")
    assert (status, headers["Content-Type"][:10]) == (200, "text/plain")
    name = "kubeproxy_sync_proxy_rules"
    for line in (
        "kubeproxy_other 1",
        f'{name}_duration_seconds_bucket{{le="0.004"}} 1',
        f"{name}_last_timestamp_seconds 1700000000.5",
        f"{name}_service_changes_total 2",
        f"{name}_service_changes_pending 3",
        f"{name}_endpoint_changes_pending 4",
        f'{name}_no_local_endpoints_total{{traffic_policy="external"}} 2',
    ):
        assert line in body.splitlines()
