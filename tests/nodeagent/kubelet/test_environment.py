import base64

import pytest

from nodeagent.kubelet.environment import (
    environment,
    expand,
    field_value,
    resource_value,
    service_environment,
)
from nodeagent.kubelet.references import ConfigError, Configuration, Reference, references
from nodeagent.kubelet.volumes import container_files, volume_files

CONFIGURATION = Configuration(
    {
        Reference("configmap", "c"): {"data": {"k": "v", "file.txt": "text"}},
        Reference("secret", "s"): {"data": {"p": base64.b64encode(b"hush").decode()}},
    }
)
POD = {
    "metadata": {
        "name": "p",
        "namespace": "d",
        "uid": "u",
        "labels": {"app": "web"},
        "annotations": {"a": 'quo"te'},
    },
    "spec": {"nodeName": "n1", "containers": [{"name": "main"}]},
}
ADDRESSES = {
    "status.podIP": "10.0.0.1",
    "status.podIPs": "10.0.0.1,fd00::1",
    "status.hostIP": "192.168.64.1",
}


def env(*variables, services=None, pod=POD, **container) -> dict[str, str]:
    spec = {"name": "main", "env": list(variables), **container}
    return environment(pod, spec, CONFIGURATION, services or {}, ADDRESSES)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$(NO)", "$(NO)"),
        ("$$(A)", "$(A)"),
        ("$A $ $(", "$A $ $("),
        ("$$$(A)", "$1"),
    ],
)
def test_expansion(text, result):
    assert expand(text, {"A": "1", "B": "2"}) == result


def test_later_variables_see_earlier_ones():
    got = env({"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2"})
    assert got == {"A": "1", "B": "12"}


def test_values_from_everywhere():
    got = env(
        {"name": "K", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        {"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "p"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "IPS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIPs"}}},
        {"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    )
    assert got == {
        "K": "v",
        "P": "hush",
        "IP": "10.0.0.1",
        "IPS": "10.0.0.1,fd00::1",
        "L": "web",
        "N": "n1",
    }


def test_env_from_with_prefix_and_env_wins():
    source = [{"prefix": "X_", "configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}]
    got = env({"name": "p", "value": "mine"}, envFrom=source)
    assert got == {"X_k": "v", "X_file.txt": "text", "p": "mine"}


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"configMapKeyRef": {"name": "no", "key": "k"}}, 'configmap "no" not found'),
        ({"secretKeyRef": {"name": "s", "key": "no"}}, "couldn't find key no in secret"),
        ({"fieldRef": {"fieldPath": "spec.what"}}, "unsupported fieldPath"),
    ],
)
def test_what_is_missing_says_so(reference, message):
    with pytest.raises(ConfigError, match=message):
        env({"name": "A", "valueFrom": reference})


def test_optional_references_may_be_missing():
    missing = {"name": "no", "key": "k", "optional": True}
    assert env({"name": "A", "valueFrom": {"configMapKeyRef": missing}}) == {}
    assert env(envFrom=[{"configMapRef": {"name": "no", "optional": True}}]) == {}


def test_service_links():
    services = [
        {
            "metadata": {"name": "my-db", "namespace": "d"},
            "spec": {"clusterIP": "10.96.0.5", "ports": [{"name": "sql", "port": 5432}]},
        },
        {
            "metadata": {"name": "kubernetes", "namespace": "default"},
            "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443}]},
        },
        {
            "metadata": {"name": "other", "namespace": "elsewhere"},
            "spec": {"clusterIP": "10.96.0.6", "ports": [{"port": 1}]},
        },
        {"metadata": {"name": "h", "namespace": "d"}, "spec": {"clusterIP": "None"}},
    ]
    found = service_environment(services, "d")
    assert found["MY_DB_SERVICE_HOST"] == "10.96.0.5"
    assert found["MY_DB_SERVICE_PORT_SQL"] == "5432"
    assert found["MY_DB_PORT_5432_TCP"] == "tcp://10.96.0.5:5432"
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert not any(name.startswith(("OTHER", "H_")) for name in found)
    unlinked = {**POD, "spec": {**POD["spec"], "enableServiceLinks": False}}
    assert "MY_DB_SERVICE_HOST" not in env(services=found, pod=unlinked)
    assert "KUBERNETES_SERVICE_HOST" in env(services=found, pod=unlinked)


def test_labels_as_a_file():
    assert field_value(POD, "metadata.labels", {}) == 'app="web"'
    assert field_value(POD, "metadata.annotations", {}) == 'a="quo\\"te"'


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ({"resource": "limits.cpu"}, "1"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "500"),
        ({"resource": "requests.memory", "divisor": "1Mi"}, "64"),
        ({"resource": "requests.cpu"}, "0"),
    ],
)
def test_resource_fields(reference, value):
    resources = {"limits": {"cpu": "500m"}, "requests": {"memory": "64Mi"}}
    assert resource_value(POD, {"resources": resources}, reference) == value


def test_references_are_found_once():
    pod = {
        "spec": {
            "containers": [
                {"name": "a", "envFrom": [{"configMapRef": {"name": "c"}}]},
                {"name": "b", "envFrom": [{"configMapRef": {"name": "c"}}]},
            ],
            "volumes": [
                {"name": "v", "secret": {"secretName": "s"}},
                {"name": "w", "projected": {"sources": [{"configMap": {"name": "d"}}]}},
            ],
        }
    }
    assert [str(r) for r in references(pod)] == ['configmap "c"', 'secret "s"', 'configmap "d"']


def volumes(*items) -> dict[str, dict[str, str]]:
    return volume_files({**POD, "spec": {"volumes": list(items)}}, CONFIGURATION, ADDRESSES)


def test_volumes_become_files():
    found = volumes(
        {"name": "all", "configMap": {"name": "c"}},
        {"name": "one", "secret": {"secretName": "s", "items": [{"key": "p", "path": "a/b"}]}},
        {"name": "empty", "emptyDir": {}},
        {
            "name": "down",
            "downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]},
        },
        {"name": "mix", "projected": {"sources": [{"configMap": {"name": "c"}}]}},
    )
    assert found == {
        "all": {"k": "v", "file.txt": "text"},
        "one": {"a/b": "hush"},
        "empty": {},
        "down": {"n": "p"},
        "mix": {"k": "v", "file.txt": "text"},
    }
    mounts = [
        {"name": "all", "mountPath": "/etc/c"},
        {"name": "all", "mountPath": "/single", "subPath": "k"},
        {"name": "one", "mountPath": "/s", "subPath": "a"},
    ]
    assert container_files({"volumeMounts": mounts}, found) == {
        "/etc/c/k": "v",
        "/etc/c/file.txt": "text",
        "/single": "v",
        "/s/b": "hush",
    }


def test_missing_volume_source_is_worded_as_a_failed_mount():
    with pytest.raises(ConfigError, match=r'MountVolume\.SetUp failed for volume "v" : configmap'):
        volumes({"name": "v", "configMap": {"name": "no"}})
