from __future__ import annotations

import pytest

PORTS = [{"port": 80}]


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ({"ports": PORTS}, None),
        ({"clusterIP": "None"}, None),
        ({"type": "ExternalName", "externalName": "example.com."}, None),
        ({}, "spec.ports: Required value"),
        ({"ports": PORTS, "type": "Gate"}, 'spec.type: Unsupported value: "Gate"'),
        ({"type": "ExternalName"}, "spec.externalName: Required value"),
        (
            {"type": "ExternalName", "externalName": "example.com", "clusterIP": "10.96.0.9"},
            "spec.clusterIPs: Forbidden: may not be set for ExternalName services",
        ),
        (
            {"ports": PORTS, "type": "NodePort", "clusterIP": "None"},
            "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort",
        ),
        (
            {"ports": PORTS, "clusterIP": "somewhere"},
            'spec.clusterIPs[0]: Invalid value: "somewhere": must be a valid IP address',
        ),
        (
            {"ports": PORTS, "clusterIP": "2001:db8::1"},
            'spec.clusterIPs[0]: Invalid value: []string{"2001:db8::1"}: IPv6 is not configured',
        ),
        (
            {"ports": PORTS, "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.8"]},
            'spec.clusterIPs: Invalid value: []string{"10.96.0.8"}: first value must match',
        ),
        ({"ports": PORTS, "sessionAffinity": "Cookie"}, "spec.sessionAffinity: Unsupported value"),
        (
            {
                "ports": PORTS,
                "sessionAffinity": "ClientIP",
                "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}},
            },
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater",
        ),
        (
            {"ports": PORTS, "externalTrafficPolicy": "Local"},
            'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally',
        ),
        (
            {"ports": PORTS, "type": "NodePort", "externalTrafficPolicy": "Near"},
            'spec.externalTrafficPolicy: Unsupported value: "Near"',
        ),
        (
            {"ports": PORTS, "internalTrafficPolicy": "Near"},
            'spec.internalTrafficPolicy: Unsupported value: "Near"',
        ),
        (
            {"ports": PORTS, "ipFamilies": ["IPv6"]},
            'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
        ),
        (
            {"ports": PORTS, "ipFamilyPolicy": "RequireDualStack"},
            'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not',
        ),
        (
            {"ports": PORTS, "ipFamilyPolicy": "Any"},
            'spec.ipFamilyPolicy: Unsupported value: "Any"',
        ),
        (
            {"ports": PORTS, "loadBalancerSourceRanges": ["10.0.0.0/8"]},
            "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is",
        ),
        (
            {"ports": PORTS, "type": "LoadBalancer", "loadBalancerSourceRanges": ["ten"]},
            'spec.LoadBalancerSourceRanges[0]: Invalid value: "ten"',
        ),
        ({"ports": PORTS, "selector": {"a b": "c"}}, 'spec.selector: Invalid value: "a b"'),
        (
            {"ports": PORTS, "externalIPs": ["127.0.0.1"]},
            'spec.externalIPs[0]: Invalid value: "127.0.0.1"',
        ),
    ],
)
def test_spec(wrong, spec, cause):
    causes = wrong("Service", {"spec": spec})
    if cause is None:
        assert causes == []
    else:
        assert len(causes) == 1, causes
        assert causes[0].startswith(cause)


def test_names_begin_with_a_letter(wrong):
    [cause] = wrong("Service", {"spec": {"ports": PORTS}}, "1web")
    assert cause.startswith('metadata.name: Invalid value: "1web": a DNS-1035 label')


def test_the_cluster_ip_is_for_good_until_the_type_needs_none(made, update):
    old = made("Service", {"spec": {"ports": PORTS, "clusterIP": "10.96.0.9"}})
    new = made("Service", {"spec": {"ports": PORTS, "clusterIP": "10.96.0.8"}})
    assert update("Service", new, old) == [
        'spec.clusterIPs[0]: Invalid value: []string{"10.96.0.8"}: may not change once set'
    ]
    away = made("Service", {"spec": {"type": "ExternalName", "externalName": "a.b"}})
    assert update("Service", away, old) == []


def test_what_only_load_balancers_have(wrong):
    spec = {"ports": PORTS, "loadBalancerClass": "example.com/a"}
    assert wrong("Service", {"spec": spec}) == [
        "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"
    ]


def test_one_address_family_has_one_address(wrong):
    spec = {"ports": PORTS, "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9", "10.96.0.8"]}
    [cause] = wrong("Service", {"spec": spec})
    assert cause == (
        'spec.clusterIPs: Invalid value: []string{"10.96.0.9", "10.96.0.8"}: '
        "may specify no more than one IP for each IP family"
    )
