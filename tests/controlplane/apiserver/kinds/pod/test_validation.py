from __future__ import annotations

import pytest

CONTAINER = {"name": "web", "image": "nginx:1"}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({}, None),
        ({"restartPolicy": "Sometimes"}, 'spec.restartPolicy: Unsupported value: "Sometimes"'),
        ({"dnsPolicy": "Cluster"}, 'spec.dnsPolicy: Unsupported value: "Cluster"'),
        ({"dnsPolicy": "None"}, "spec.dnsConfig.nameservers: Required value: must provide"),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.96.0.10"]}}, None),
        (
            {"dnsConfig": {"nameservers": ["1.1.1.1"] * 4}},
            "spec.dnsConfig.nameservers: Invalid value",
        ),
        (
            {"dnsConfig": {"nameservers": ["dns"]}},
            'spec.dnsConfig.nameservers[0]: Invalid value: "dns": must be a valid IP address',
        ),
        (
            {"terminationGracePeriodSeconds": -3},
            "spec.terminationGracePeriodSeconds: Invalid value: -3: must be greater than or equal",
        ),
        ({"activeDeadlineSeconds": 0}, "spec.activeDeadlineSeconds: Invalid value: 0: must be"),
        ({"priorityClassName": "Mine"}, 'spec.priorityClassName: Invalid value: "Mine": a lowerca'),
        ({"preemptionPolicy": "Maybe"}, 'spec.preemptionPolicy: Unsupported value: "Maybe": sup'),
        ({"nodeName": "Node 1"}, 'spec.nodeName: Invalid value: "Node 1"'),
        ({"hostname": "a.b"}, 'spec.hostname: Invalid value: "a.b"'),
        ({"imagePullSecrets": [{}]}, "spec.imagePullSecrets[0].name: Required value"),
        ({"schedulingGates": [{"name": ""}]}, "spec.schedulingGates[0].name: Invalid value"),
        (
            {"readinessGates": [{"conditionType": "a b"}]},
            "spec.readinessGates[0].conditionType: Invalid value",
        ),
        (
            {"hostAliases": [{"ip": "ten", "hostnames": ["a"]}]},
            'spec.hostAliases[0].ip: Invalid value: "ten"',
        ),
        (
            {"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_ecn"}, {"name": "a/b-c"}]}},
            None,
        ),
        (
            {"securityContext": {"sysctls": [{"value": "1"}]}},
            "spec.securityContext.sysctls[0].name: Required value",
        ),
        (
            {"securityContext": {"sysctls": [{"name": "net..x"}]}},
            'spec.securityContext.sysctls[0].name: Invalid value: "net..x": must have at most 253 '
            "characters and match regex ([a-z0-9]([-_a-z0-9]*[a-z0-9])?[",
        ),
        (
            {"securityContext": {"sysctls": [{"name": "a." * 127}]}},
            "spec.securityContext.sysctls[0].name: Invalid value",
        ),
        (
            {"securityContext": {"sysctls": [{"name": "a"}, {"name": "a"}]}},
            'spec.securityContext.sysctls[1].name: Duplicate value: "a"',
        ),
        (
            {"hostNetwork": True, "securityContext": {"sysctls": [{"name": "net.ipv4.tcp_ecn"}]}},
            'spec.securityContext.sysctls[0].name: Invalid value: "net.ipv4.tcp_ecn": may not be '
            "specified when 'hostNetwork' is true",
        ),
    ],
)
def test_spec(wrong, change, cause):
    causes = wrong("Pod", {"spec": {"containers": [CONTAINER], **change}})
    if cause is None:
        assert causes == []
    else:
        assert causes[0].startswith(cause), causes


def test_a_pod_without_a_spec_lacks_containers(wrong):
    assert wrong("Pod") == ["spec.containers: Required value"]
