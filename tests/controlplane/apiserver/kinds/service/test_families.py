"""KEP-563's tables: what a Service asks for, what the cluster has, and what comes of it."""

from __future__ import annotations

import copy

import pytest

from controlplane.apiserver.kinds.service.kind import service_kind

DUAL, DUAL6, V4, V6 = ("IPv4", "IPv6"), ("IPv6", "IPv4"), ("IPv4",), ("IPv6",)
ONE4, ONE6 = "10.96.0.9", "fd00:10:96::9"
SELECTOR = {"app": "web"}


def begin(configured, **spec):
    obj = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"ports": [{"port": 80}]}}
    obj["spec"] |= {"selector": dict(SELECTOR)} | copy.deepcopy(spec)
    kind = service_kind(configured)
    kind.default(obj)
    kind.prepare_create(obj)
    return obj, [str(cause) for cause in kind.validate(obj)]


def change(configured, old, **spec):
    kind, new = service_kind(configured), copy.deepcopy(old)
    for key, value in spec.items():
        if value is None:
            new["spec"].pop(key, None)
        else:
            new["spec"][key] = value
    kind.default(new)
    kind.prepare_update(new, old)
    return new, [str(c) for c in [*kind.validate(new), *kind.validate_update(new, old)]]


def what(service):
    spec = service["spec"]
    return spec.get("ipFamilyPolicy"), tuple(spec.get("ipFamilies", ()))


@pytest.mark.parametrize(
    ("configured", "asked", "policy", "families"),
    [
        (V4, {}, "SingleStack", V4),
        (V6, {}, "SingleStack", V6),
        (DUAL, {}, "SingleStack", V4),
        (DUAL6, {}, "SingleStack", V6),
        (DUAL, {"ipFamilies": ["IPv6"]}, "SingleStack", V6),
        (DUAL, {"clusterIP": ONE6}, "SingleStack", V6),
        (V4, {"ipFamilyPolicy": "PreferDualStack"}, "PreferDualStack", V4),
        (DUAL, {"ipFamilyPolicy": "PreferDualStack"}, "PreferDualStack", DUAL),
        (DUAL6, {"ipFamilyPolicy": "PreferDualStack"}, "PreferDualStack", DUAL6),
        (DUAL, {"ipFamilyPolicy": "RequireDualStack"}, "RequireDualStack", DUAL),
        (
            DUAL,
            {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]},
            "RequireDualStack",
            DUAL6,
        ),
        (DUAL, {"ipFamilyPolicy": "PreferDualStack", "clusterIP": ONE6}, "PreferDualStack", DUAL6),
        (DUAL, {"clusterIP": "None"}, "SingleStack", V4),
        (V4, {"clusterIP": "None", "selector": None}, "RequireDualStack", DUAL),
        (V6, {"clusterIP": "None", "selector": None}, "RequireDualStack", DUAL6),
        (DUAL, {"type": "ExternalName", "externalName": "a.example"}, None, ()),
    ],
)
def test_what_is_left_out_is_inferred(configured, asked, policy, families):
    service, causes = begin(configured, **asked)
    assert causes == []
    assert what(service) == (policy, families)


@pytest.mark.parametrize(
    ("configured", "asked", "cause"),
    [
        (V4, {"ipFamilyPolicy": "RequireDualStack"}, "spec.ipFamilyPolicy: Invalid value: "
         '"RequireDualStack": this cluster is not configured for dual-stack services'),
        (V4, {"ipFamilies": ["IPv6"]},
         'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'),
        (V4, {"clusterIP": ONE6},
         f'spec.clusterIPs[0]: Invalid value: []string{{"{ONE6}"}}: IPv6 is not configured on '
         "this cluster"),
        (DUAL, {"ipFamilies": ["IPv5"]},
         'spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"'),
        (DUAL, {"ipFamilies": ["IPv4", "IPv4"]}, 'spec.ipFamilies[1]: Duplicate value: "IPv4"'),
        (DUAL, {"ipFamilies": ["IPv4", "IPv6"]},
         'spec.ipFamilyPolicy: Invalid value: "SingleStack": must be RequireDualStack or '
         "PreferDualStack when multiple 'ipFamilies' are specified"),
        (DUAL, {"ipFamilies": ["IPv4"], "clusterIP": ONE6},
         f'spec.clusterIPs[0]: Invalid value: "{ONE6}": expected an IPv4 value as indicated by '
         "`ipFamilies[0]`"),
        (DUAL, {"clusterIP": "None", "clusterIPs": ["None", ONE6]},
         f'spec.clusterIPs: Invalid value: []string{{"None", "{ONE6}"}}: '
         "'None' must be the first and only value"),
        (DUAL, {"type": "ExternalName", "externalName": "a.example", "ipFamilies": ["IPv4"]},
         "spec.ipFamilies: Forbidden: may not be set for ExternalName services"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(configured, asked, cause):
    assert begin(configured, **asked)[1] == [cause]


_TWICE = "no more than one IP for each IP family"


@pytest.mark.parametrize(
    ("configured", "policy", "families", "addresses", "words"),
    [
        pytest.param(V4, "garbage", None, None, "Unsupported value", id="bad_ipFamilyPolicy"),
        pytest.param(V4, "RequireDualStack", None, None, "not configured for dual-stack",
                     id="requiredual_ipFamilyPolicy_on_singlestack"),
        pytest.param(V4, None, ["x"], None, "Unsupported value", id="bad_ipFamilies_0_value"),
        pytest.param(V4, None, ["IPv4", "x"], None, "Unsupported", id="bad_ipFamilies_1_value"),
        pytest.param(DUAL, None, [*DUAL, "x"], None, "Unsupported", id="bad_ipFamilies_2_value"),
        pytest.param(V4, None, V6, None, "not configured on this cluster", id="wrong_ipFamily"),
        pytest.param(V4, None, DUAL, None, "when multiple 'ipFamilies' are specified",
                     id="too_many_ipFamilies_on_singlestack"),
        pytest.param(V4, None, ["IPv4", "IPv4"], None, "Duplicate value",
                     id="dup_ipFamily_singlestack"),
        pytest.param(DUAL, None, [*DUAL, "IPv6"], None, "Duplicate value",
                     id="dup_ipFamily_dualstack"),
        pytest.param(V4, None, None, ["garbage"], "must be a valid IP", id="bad_IP"),
        pytest.param(V4, None, None, [ONE6], "not configured on this cluster",
                     id="IP_wrong_family"),
        pytest.param(V4, None, V4, [ONE6], "expected an IPv4 value as indicated",
                     id="IP_doesnt_match_family"),
        pytest.param(V4, None, None, [ONE4, "10.96.0.8"], _TWICE, id="too_many_IPs_singlestack"),
        pytest.param(DUAL, None, None, [ONE4, ONE6, "10.96.0.8"], "only hold up to 2 values",
                     id="too_many_IPs_dualstack"),
        pytest.param(V4, None, None, [ONE4, ONE4], _TWICE, id="dup_IPs"),
        pytest.param(V4, None, None, [""], "must be a valid IP", id="empty_IP"),
        pytest.param(V4, None, None, [ONE4, "None"], "must be a valid IP", id="None_IP_1"),
    ],
)  # fmt: skip
def test_upstreams_wrong_inputs(configured, policy, families, addresses, words):
    """TestCreateInvalidClusterIPInputs (service/storage), by the names of its cases."""
    asked = {"ipFamilyPolicy": policy} if policy else {}
    if families:
        asked["ipFamilies"] = list(families)
    if addresses:
        asked |= {"clusterIP": addresses[0], "clusterIPs": addresses}
    _, causes = begin(configured, **asked)
    assert any(words in cause for cause in causes), causes


def test_three_addresses_are_too_many():
    addresses = [ONE4, ONE6, "10.96.0.8"]
    _, causes = begin(DUAL, clusterIP=ONE4, clusterIPs=addresses, ipFamilyPolicy="PreferDualStack")
    assert "spec.clusterIPs: Invalid value" in causes[0]
    assert "may only hold up to 2 values" in causes[0]


def test_a_policy_may_step_up_and_down():
    old, _ = begin(DUAL, clusterIP=ONE4)
    up, causes = change(DUAL, old, ipFamilyPolicy="RequireDualStack")
    assert causes == []
    assert what(up) == ("RequireDualStack", DUAL)
    up["spec"]["clusterIPs"] = [ONE4, ONE6]
    down, causes = change(DUAL, up, ipFamilyPolicy="SingleStack")
    assert causes == []
    assert what(down) == ("SingleStack", V4)
    assert down["spec"]["clusterIPs"] == [ONE4]


def test_the_second_goes_only_with_the_policys_leave():
    old, _ = begin(DUAL, clusterIP=ONE4, clusterIPs=[ONE4, ONE6], ipFamilyPolicy="PreferDualStack")
    _, causes = change(DUAL, old, clusterIPs=[ONE4], ipFamilies=["IPv4"])
    assert causes == [
        'spec.ipFamilyPolicy: Invalid value: "PreferDualStack": '
        "must be set to 'SingleStack' when releasing the secondary clusterIP"
    ]


def test_families_do_not_change_places():
    old, _ = begin(DUAL, clusterIP="None", ipFamilyPolicy="PreferDualStack")
    _, causes = change(DUAL, old, ipFamilies=["IPv6", "IPv4"])
    assert causes == [
        f"spec.ipFamilies[{index}]: Invalid value: "
        '[]string{"IPv6", "IPv4"}: may not change once set'
        for index in (0, 1)
    ]


def test_what_prefers_two_and_is_written_as_it_was_stays_as_it_was():
    old, _ = begin(V4, ipFamilyPolicy="PreferDualStack", clusterIP=ONE4)
    same, causes = change(DUAL, old)
    assert causes == []
    assert what(same) == ("PreferDualStack", V4)


def test_a_put_without_policy_adopts_the_one_before():
    old, _ = begin(DUAL, clusterIP=ONE4, clusterIPs=[ONE4, ONE6], ipFamilyPolicy="PreferDualStack")
    new, causes = change(
        DUAL, old, ipFamilyPolicy=None, ipFamilies=None, clusterIP=None, clusterIPs=None
    )
    assert causes == []
    assert what(new) == ("PreferDualStack", DUAL)
    assert new["spec"]["clusterIPs"] == [ONE4, ONE6]
