from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.pod.defaults import default_pod, default_spec, pull_policy


def defaulted(spec):
    default_spec(spec)
    return spec


def test_an_ordinary_pod():
    spec = defaulted({"containers": [{"name": "web", "image": "nginx", "ports": [{}]}]})
    assert spec == {
        "containers": [
            {
                "name": "web",
                "image": "nginx",
                "imagePullPolicy": "Always",
                "ports": [{"protocol": "TCP"}],
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:00", "IfNotPresent"),
        ("nginx:latest@sha256:00", "Always"),
    ],
)
def test_the_tag_says_how_often_an_image_is_pulled(image, policy):
    assert pull_policy(image) == policy


def test_probes_have_upstreams_numbers_and_zero_is_absent():
    probe = {"httpGet": {"port": 80}, "timeoutSeconds": 0, "periodSeconds": 3}
    container = {"name": "a", "image": "b", "readinessProbe": probe}
    defaulted({"containers": [container]})
    assert probe == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 3,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_what_is_given_stays():
    given = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "dnsPolicy": "Default"}
    assert given.items() <= defaulted(dict(given)).items()


def test_host_network_opens_every_port_on_the_host():
    spec = {"hostNetwork": True, "containers": [{"name": "a", "ports": [{"containerPort": 80}]}]}
    assert defaulted(spec)["containers"][0]["ports"][0]["hostPort"] == 80


def test_volumes():
    volumes = [{"name": "a"}, {"name": "b", "configMap": {"name": "c"}}]
    defaulted({"volumes": volumes})
    assert volumes[0] == {"name": "a", "emptyDir": {}}
    assert volumes[1]["configMap"]["defaultMode"] == 0o644


def test_requests_follow_limits_in_pods():
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "0.5"}}
    spec = {"containers": [{"name": "a", "resources": resources}]}
    default_spec(spec)
    default_pod(spec)
    assert spec["enableServiceLinks"] is True
    assert resources["requests"] == {"cpu": "500m", "memory": "1Gi"}


def test_environment_from_fields_names_the_api_version():
    source = {"fieldRef": {"fieldPath": "status.podIP"}}
    defaulted({"containers": [{"name": "a", "env": [{"name": "IP", "valueFrom": source}]}]})
    assert source["fieldRef"]["apiVersion"] == "v1"


def test_hooks_and_grpc_probes():
    container = {
        "name": "a",
        "lifecycle": {"preStop": {"httpGet": {"port": 80}}, "postStart": {"exec": {}}},
        "livenessProbe": {"grpc": {"port": 1}},
    }
    defaulted({"containers": [container]})
    assert container["lifecycle"]["preStop"]["httpGet"]["path"] == "/"
    assert container["livenessProbe"]["grpc"] == {"port": 1, "service": ""}
