from __future__ import annotations

import pytest

AT = "spec.ports[0]"


@pytest.mark.parametrize(
    ("ports", "cause"),
    [
        ([{"port": 80, "targetPort": "http"}], None),
        ([{"name": "a", "port": 53}, {"name": "b", "port": 53, "protocol": "UDP"}], None),
        ([{"port": 0}], f"{AT}.port: Invalid value: 0: must be between 1 and 65535, inclusive"),
        ([{"port": 65536}], f"{AT}.port: Invalid value: 65536: must be between"),
        ([{"port": 80, "targetPort": 70000}], f"{AT}.targetPort: Invalid value: 70000: must be"),
        ([{"port": 80, "targetPort": "1"}], f'{AT}.targetPort: Invalid value: "1": must contain'),
        ([{"port": 80, "protocol": "ICMP"}], f'{AT}.protocol: Unsupported value: "ICMP"'),
        (
            [{"port": 80, "nodePort": 30080}],
            f"{AT}.nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
        ),
        ([{"port": 1, "name": "a"}, {"port": 2}], "spec.ports[1].name: Required value"),
        (
            [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}],
            'spec.ports[1].name: Duplicate value: "a"',
        ),
        ([{"port": 1, "name": "A"}], f'{AT}.name: Invalid value: "A"'),
        ([{"port": 80, "appProtocol": "kubernetes.io/h2c"}], None),
        (
            [{"port": 80, "appProtocol": "h2c!"}],
            f'{AT}.appProtocol: Invalid value: "h2c!": name part must consist of',
        ),
        (
            [{"port": 1, "name": "a"}, {"port": 1, "name": "b"}],
            "spec.ports[1]: Duplicate value",
        ),
    ],
)
def test_ports(wrong, ports, cause):
    causes = wrong("Service", {"spec": {"ports": ports}})
    if cause is None:
        assert causes == []
    else:
        assert causes[0].startswith(cause), causes


def test_a_node_port_serves_one_port_a_protocol(wrong):
    ports = [
        {"name": "a", "port": 1, "nodePort": 30080},
        {"name": "b", "port": 2, "nodePort": 30080},
        {"name": "c", "port": 2, "nodePort": 30080, "protocol": "UDP"},
    ]
    assert wrong("Service", {"spec": {"type": "NodePort", "ports": ports}}) == [
        "spec.ports[1].nodePort: Duplicate value: 30080"
    ]


def test_a_balancer_has_not_the_kubelets_port(wrong):
    spec = {"ports": [{"port": 10250}], "type": "LoadBalancer"}
    assert wrong("Service", {"spec": spec}) == [
        "spec.ports[0]: Invalid value: 10250: may not expose port 10250 externally since it is used"
        " by kubelet"
    ]
    assert wrong("Service", {"spec": spec | {"type": "NodePort"}}) == []
