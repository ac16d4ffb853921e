import base64

import pytest

from nodeagent.kubelet.environment import (
    NodeFields,
    environment,
    expand,
    field_value,
    missing_references,
    resource_value,
    service_environment,
)
from nodeagent.kubelet.references import ConfigError, Configuration, Reference, references

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
NODE = NodeFields(ADDRESSES, {"cpu": "4", "memory": "8Gi"})


def env(*variables, services=None, pod=POD, **container) -> dict[str, str]:
    spec = {"name": "main", "env": list(variables), **container}
    return environment(pod, spec, CONFIGURATION, services or {}, NODE)


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
        ({"resource": "limits.memory"}, str(8 << 30)),
        ({"resource": "limits.memory", "divisor": "1Gi"}, "8"),
        ({"resource": "limits.ephemeral-storage"}, "0"),
        ({"resource": "limits.cpu", "containerName": "before"}, "2"),
    ],
)
def test_resource_fields(reference, value):
    resources = {"limits": {"cpu": "500m"}, "requests": {"memory": "64Mi"}}
    before = {"name": "before", "resources": {"limits": {"cpu": "2"}}}
    pod = {**POD, "spec": {**POD["spec"], "initContainers": [before]}}
    assert resource_value(pod, {"resources": resources}, reference, NODE.allocatable) == value


def test_octets_of_a_configmap_are_for_files_only():
    binary = base64.b64encode(b"\xff\x00").decode()
    reference = Reference("configmap", "b")
    found = Configuration({reference: {"data": {"a": "1"}, "binaryData": {"b": binary}}})
    assert found.texts(reference, optional=False) == {"a": "1"}
    assert found.octets(reference, optional=False) == {"a": b"1", "b": b"\xff\x00"}


def test_references_to_nothing_are_named():
    assert missing_references("$(A)/$(B)/$$(C)", {"A": "1"}) == ["B"]


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
    assert [str(r) for r in references(pod, variables=True)] == ['configmap "c"']
    named = references(pod, variables=False)
    assert [str(r) for r in named] == ['secret "s"', 'configmap "d"']
