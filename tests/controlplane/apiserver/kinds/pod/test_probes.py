from __future__ import annotations

import pytest

HTTP = {"httpGet": {"port": 80}}
AT = "spec.containers[0]"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"livenessProbe": HTTP}, None),
        ({"readinessProbe": {"tcpSocket": {"port": "http"}, "successThreshold": 3}}, None),
        ({"lifecycle": {"preStop": {"sleep": {"seconds": 3}}}}, None),
        (
            {"livenessProbe": {"periodSeconds": 1}},
            f"{AT}.livenessProbe: Required value: must specify a handler type",
        ),
        (
            {"livenessProbe": {**HTTP, "tcpSocket": {"port": 80}}},
            f"{AT}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
        ),
        (
            {"livenessProbe": {**HTTP, "successThreshold": 2}},
            f"{AT}.livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ),
        (
            {"startupProbe": {**HTTP, "initialDelaySeconds": -1}},
            f"{AT}.startupProbe.initialDelaySeconds: Invalid value: -1: must be greater than or",
        ),
        (
            {"readinessProbe": {**HTTP, "terminationGracePeriodSeconds": 5}},
            f"{AT}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set",
        ),
        (
            {"livenessProbe": {**HTTP, "terminationGracePeriodSeconds": 0}},
            f"{AT}.livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater",
        ),
        ({"livenessProbe": {"exec": {}}}, f"{AT}.livenessProbe.exec.command: Required value"),
        (
            {"livenessProbe": {"httpGet": {"port": 0}}},
            f"{AT}.livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535",
        ),
        (
            {"livenessProbe": {"httpGet": {"port": 80, "scheme": "FTP"}}},
            f'{AT}.livenessProbe.httpGet.scheme: Unsupported value: "FTP"',
        ),
        (
            {"lifecycle": {"preStop": {}}},
            f"{AT}.lifecycle.preStop: Required value: must specify a handler type",
        ),
        (
            {"lifecycle": {"preStop": {"sleep": {"seconds": 31}}}},
            f"{AT}.lifecycle.preStop.sleep: Invalid value: 31: must be greater than 0 and less"
            " than terminationGracePeriodSeconds (30)",
        ),
        (
            {"lifecycle": {"preStop": {"sleep": {"seconds": -1}}}},
            f"{AT}.lifecycle.preStop.sleep: Invalid value: -1",
        ),
    ],
)
def test_probes_and_hooks(wrong, change, cause):
    container = {"name": "web", "image": "nginx:1", **change}
    causes = wrong("Pod", {"spec": {"containers": [container]}})
    if cause is None:
        assert causes == []
    else:
        assert len(causes) == 1, causes
        assert causes[0].startswith(cause)


@pytest.mark.parametrize("hook", ["postStart", "preStop"])
@pytest.mark.parametrize(
    "handler", [{"exec": {"command": ["x"]}}, {"httpGet": {"port": 80}}, {"tcpSocket": {"port": 1}}]
)
def test_hooks_of_a_pod_without_grace(wrong, hook, handler):
    container = {"name": "web", "image": "nginx:1", "lifecycle": {hook: handler}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    assert wrong("Pod", {"spec": spec}) == []
