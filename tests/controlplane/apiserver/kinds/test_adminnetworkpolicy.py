"""AdminNetworkPolicies and the baseline: what upstream's CRDs say of them, and their columns."""

from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.adminnetworkpolicy import baseline_row, row
from kubeapi.schema import schema_for, unknown_fields
from kubeapi.schema import validate as validate_types

EVERY = {"namespaces": {}}


def policy(**spec):
    return {"spec": {"priority": 5, "subject": EVERY, **spec}}


def egress(*peers, **rule):
    return policy(egress=[{"action": "Deny", "to": list(peers), **rule}])


def ingress(*peers, **rule):
    return policy(ingress=[{"action": "Allow", "from": list(peers), **rule}])


def ports(*entries):
    return ingress(EVERY, ports=list(entries))


PODS = {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}}
RULE = "spec.egress[0]"
PORT = "spec.ingress[0].ports[0]"


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (policy(), None),
        (policy(priority=1000, subject=PODS), None),
        (egress(PODS, {"nodes": {}}, {"networks": ["10.0.0.0/8", "fd00::/8"]}), None),
        (ports({"portNumber": {"port": 1}}, {"namedPort": "web"}), None),
        (ports({"portRange": {"protocol": "SCTP", "start": 1, "end": 65535}}), None),
        (
            policy(priority=1001),
            "spec.priority: Invalid value: 1001: "
            "spec.priority in body should be less than or equal to 1000",
        ),
        (policy(priority=-1), "should be greater than or equal to 0"),
        (policy(subject={}), "spec.subject in body should have at least 1 properties"),
        (
            policy(subject={**EVERY, **PODS}),
            "spec.subject: Invalid value: 2: spec.subject in body should have at most 1 properties",
        ),
        (
            policy(subject={"namespaces": {"matchLabels": {"a": "-"}}}),
            "spec.subject.namespaces.matchLabels: Invalid value",
        ),
        (
            ingress(EVERY, action="Accept"),
            'spec.ingress[0].action: Unsupported value: "Accept": '
            'supported values: "Allow", "Deny", "Pass"',
        ),
        (ingress(), "spec.ingress[0].from in body should have at least 1 items"),
        (ingress(*[EVERY] * 101), "spec.ingress[0].from: Too many: 101: must have at most 100"),
        (policy(ingress=[{"action": "Deny", "from": [EVERY]}] * 101), "spec.ingress: Too many"),
        (ingress(EVERY, name="x" * 101), "spec.ingress[0].name: Too long"),
        (ingress({"networks": ["10.0.0.0/8"]}), "should have at least 1 properties"),
        (ingress({"nodes": {}, **EVERY}), None),  # An ingress peer's schema knows no nodes.
        (
            egress({"networks": ["10.0.0.0"]}),
            f'{RULE}.to[0].networks[0]: Invalid value: "10.0.0.0": Invalid CIDR format provided',
        ),
        (egress({"networks": ["10.0.0.0/33"]}), "Invalid CIDR format provided"),
        (egress({"networks": []}), f"{RULE}.to[0].networks in body should have at least 1 items"),
        (egress({"networks": ["::/0", "::/0"]}), 'networks[1]: Duplicate value: "::/0"'),
        (egress({"networks": [f"10.{n}.0.0/16" for n in range(26)]}), "Too many: 26"),
        (
            egress({"domainNames": ["example.com"]}),
            f"{RULE}.to[0].domainNames: Forbidden: peers by domain names are not supported here: "
            "give their addresses as networks",
        ),
        (
            egress({"networks": ["::/0"]}, ports=[{"namedPort": "web"}]),
            f'{RULE}: Invalid value: "object": networks/nodes/domainNames peer cannot be set '
            "with namedPorts since there are no namedPorts for networks/nodes/domainNames",
        ),
        (egress({"nodes": {}}, ports=[{"namedPort": "web"}]), "cannot be set with namedPorts"),
        (ports(), "spec.ingress[0].ports in body should have at least 1 items"),
        (ports({}), f"{PORT} in body should have at least 1 properties"),
        (ports({"namedPort": "a", "portNumber": {"port": 1}}), "at most 1 properties"),
        (ports({"portNumber": {"port": 0}}), f"{PORT}.portNumber.port: Invalid value: 0"),
        (ports({"portNumber": {"port": 65536}}), "should be less than or equal to 65535"),
        (ports({"portNumber": {"port": 1, "protocol": "ICMP"}}), 'Unsupported value: "ICMP"'),
        (ports({"portRange": {"start": 9, "end": 8}}), "Start port must be less than End port"),
    ],
)
def test_validation_is_the_crds(wrong, body, cause):
    causes = wrong("AdminNetworkPolicy", body)
    if cause is None:
        assert causes == []
    else:
        assert any(cause in each for each in causes), causes


def test_the_baseline_is_called_default_and_never_passes(wrong):
    spec = {"subject": EVERY, "ingress": [{"action": "Pass", "from": [EVERY]}]}
    causes = wrong("BaselineAdminNetworkPolicy", {"spec": spec, "metadata": {"name": "other"}})
    assert len(causes) == 2
    assert 'Only one baseline admin network policy with metadata.name="default"' in causes[0]
    assert 'supported values: "Allow", "Deny"' in causes[1]
    fine = {"spec": {"subject": EVERY}, "metadata": {"name": "default"}}
    assert wrong("BaselineAdminNetworkPolicy", fine) == []


def test_ports_are_tcp_by_default(made):
    given = ports({"portNumber": {"port": 1}}, {"portRange": {"start": 1, "end": 2}})
    first, second = made("AdminNetworkPolicy", given)["spec"]["ingress"][0]["ports"]
    assert first["portNumber"]["protocol"] == second["portRange"]["protocol"] == "TCP"


def test_rows_show_what_the_crds_print(made):
    shown = made("AdminNetworkPolicy", policy())
    assert row(shown, 1e9)[:2] == ("web", "5")
    assert len(baseline_row(shown, 1e9)) == 2


def test_types_and_unknown_fields_are_judged_by_the_schema(made):
    schema = schema_for("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy")
    assert schema is not None
    shown = made("AdminNetworkPolicy", egress(PODS, {"nodes": {}}, action="Pass", name="x"))
    assert validate_types(shown, schema) == []
    assert unknown_fields(shown, schema) == []
    missing = {**shown, "spec": {"subject": EVERY, "egress": [{"to": "web"}], "tier": "x"}}
    fields = {cause.field for cause in validate_types(missing, schema)}
    assert {"spec.priority", "spec.egress[0].action", "spec.egress[0].to"} <= fields
    assert unknown_fields(missing, schema) == ['unknown field "spec.tier"']
