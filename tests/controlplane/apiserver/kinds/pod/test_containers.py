from __future__ import annotations

import pytest

AT = "spec.containers[0]"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({}, None),
        ({"name": ""}, f"{AT}.name: Required value"),
        ({"name": "Web"}, f'{AT}.name: Invalid value: "Web": a lowercase RFC 1123 label must'),
        ({"image": ""}, f"{AT}.image: Required value"),
        ({"image": "nginx "}, f'{AT}.image: Invalid value: "nginx ": must not have leading or'),
        (
            {"imagePullPolicy": "Often"},
            f'{AT}.imagePullPolicy: Unsupported value: "Often": '
            'supported values: "Always", "IfNotPresent", "Never"',
        ),
        ({"terminationMessagePolicy": "X"}, f"{AT}.terminationMessagePolicy: Unsupported value"),
        ({"ports": [{}]}, f"{AT}.ports[0].containerPort: Required value"),
        (
            {"ports": [{"containerPort": 70000}]},
            f"{AT}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535",
        ),
        (
            {"ports": [{"containerPort": 80, "protocol": "ICMP"}]},
            f'{AT}.ports[0].protocol: Unsupported value: "ICMP"',
        ),
        (
            {"ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]},
            f'{AT}.ports[1].name: Duplicate value: "a"',
        ),
        (
            {"ports": [{"containerPort": 80, "name": "-http"}]},
            f'{AT}.ports[0].name: Invalid value: "-http"',
        ),
        ({"env": [{"name": ""}]}, f"{AT}.env[0].name: Required value"),
        ({"env": [{"name": "a=b"}]}, f'{AT}.env[0].name: Invalid value: "a=b"'),
        ({"env": [{"name": "a", "valueFrom": {}}]}, f"{AT}.env[0].valueFrom: Invalid value"),
        (
            {"env": [{"name": "a", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]},
            f'{AT}.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not',
        ),
        (
            {"restartPolicy": "Always"},
            f"{AT}.restartPolicy: Forbidden: may not be set for non-init",
        ),
        (
            {"volumeMounts": [{"name": "x", "mountPath": "/x"}]},
            f'{AT}.volumeMounts[0].name: Not found: "x"',
        ),
    ],
)
def test_one_container(wrong, change, cause):
    container = {"name": "web", "image": "nginx:1", **change}
    causes = wrong("Pod", {"spec": {"containers": [container]}})
    if cause is None:
        assert causes == []
    else:
        assert causes[0].startswith(cause), causes


def test_names_are_unique_among_all_containers(wrong):
    one = {"name": "a", "image": "b:1"}
    assert wrong("Pod", {"spec": {"containers": [one, one]}}) == [
        'spec.containers[1].name: Duplicate value: "a"'
    ]
    assert wrong("Pod", {"spec": {"containers": [one], "initContainers": [one]}}) == [
        'spec.initContainers[0].name: Duplicate value: "a"'
    ]


def test_only_sidecars_are_probed_among_init_containers(wrong):
    probe = {"exec": {"command": ["true"]}}
    init = {"name": "i", "image": "b:1", "livenessProbe": probe}
    spec = {"containers": [{"name": "a", "image": "b:1"}], "initContainers": [init]}
    assert wrong("Pod", {"spec": spec}) == [
        "spec.initContainers[0].livenessProbe: Forbidden: "
        "may not be set for init containers without restartPolicy=Always"
    ]
    spec["initContainers"] = [{**init, "restartPolicy": "Always"}]
    assert wrong("Pod", {"spec": spec}) == []
    spec["initContainers"] = [{"name": "i", "image": "b:1", "restartPolicy": "Never"}]
    assert wrong("Pod", {"spec": spec})[0].startswith(
        'spec.initContainers[0].restartPolicy: Unsupported value: "Never"'
    )


def test_a_host_port_is_taken_once(wrong):
    port = {"containerPort": 80, "hostPort": 8080}
    two = [{"name": name, "image": "b:1", "ports": [port]} for name in ("a", "b")]
    assert wrong("Pod", {"spec": {"containers": two}}) == [
        'spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//8080"'
    ]


def test_a_variable_has_one_source(wrong):
    source = {"fieldRef": {"fieldPath": "a"}, "secretKeyRef": {"name": "b", "key": "c"}}
    container = {"name": "a", "image": "b:1", "env": [{"name": "A", "valueFrom": source}]}
    assert wrong("Pod", {"spec": {"containers": [container]}}) == [
        'spec.containers[0].env[0].valueFrom: Invalid value: "": '
        "may not have more than one field specified at a time"
    ]
