"""ClusterNetworkPolicies: what upstream's CRD says of them, and their columns."""

from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.clusternetworkpolicy import row

EVERY = {"namespaces": {}}


def policy(**spec):
    return {"spec": {"tier": "Admin", "priority": 5, "subject": EVERY, **spec}}


def protocols(*items, to=(EVERY,)):
    return policy(egress=[{"action": "Accept", "to": list(to), "protocols": list(items)}])


def port(**fields):
    return protocols({"tcp": {"destinationPort": fields}})


AT = "spec.egress[0].protocols[0].tcp"


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (policy(tier="Baseline"), None),
        (protocols({"udp": {"destinationPort": {"number": 53}}}), None),
        (protocols({"destinationNamedPort": "web"}), None),
        (port(range={"start": 1, "end": 2}), None),
        (
            policy(tier="Middle"),
            'spec.tier: Unsupported value: "Middle": supported values: "Admin", "Baseline"',
        ),
        (policy(priority=1001), "spec.priority in body should be less than or equal to 1000"),
        (
            policy(ingress=[{"action": "Allow", "from": [EVERY]}]),
            'supported values: "Accept", "Deny", "Pass"',
        ),
        (policy(ingress=[{"action": "Deny", "from": [EVERY]}] * 26), "Too many: 26"),
        (protocols(), "spec.egress[0].protocols in body should have at least 1 items"),
        (protocols({}), "spec.egress[0].protocols[0] in body should have at least 1 properties"),
        (protocols({"tcp": {}}), f"{AT} in body should have at least 1 properties"),
        (port(), f"{AT}.destinationPort in body should have at least 1 properties"),
        (port(number=0), f"{AT}.destinationPort.number: Invalid value: 0"),
        (port(number=1, range={"start": 1, "end": 2}), "should have at most 1 properties"),
        (port(range={"start": 5, "end": 5}), "Start port must be less than End port"),
        (
            protocols({"destinationNamedPort": "web"}, to=[{"networks": ["10.0.0.0/8"]}]),
            "peer cannot be set with namedPorts",
        ),
    ],
)
def test_validation_is_the_crds(wrong, body, cause):
    causes = wrong("ClusterNetworkPolicy", body)
    if cause is None:
        assert causes == []
    else:
        assert any(cause in each for each in causes), causes


def test_rows_show_tier_and_priority(made):
    assert row(made("ClusterNetworkPolicy", policy()), 1e9)[:3] == ("web", "Admin", "5")
