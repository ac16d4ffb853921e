"""IngressClasses: upstream's defaults, causes and columns."""

from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.ingressclass import row

NGINX = "k8s.io/ingress-nginx"


def spec(controller=NGINX, **parameters):
    made = {"controller": controller}
    return {"spec": {**made, "parameters": parameters} if parameters else made}


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (spec(), None),
        (spec(""), "spec.controller: Required value"),
        (spec("nginx"), 'spec.controller: Invalid value: "nginx": must be a domain-prefixed path'),
        (spec("A/b"), 'spec.controller: Invalid value: "A": a lowercase RFC 1123 subdomain'),
        (spec("a/b c"), 'spec.controller: Invalid value: "b c": Invalid path'),
        (spec(f"a/{'b' * 249}"), "spec.controller: Too long: may not be more than 250 bytes"),
        (spec(kind="Config", name="c"), None),
        (spec(name="c"), "spec.parameters.kind: Required value: kind is required"),
        (spec(kind="C", name="c", scope="All"), 'scope: Unsupported value: "All"'),
        (
            spec(kind="C", name="c", namespace="n"),
            "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'",
        ),
        (
            spec(kind="C", name="c", scope="Namespace"),
            "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
        ),
        (spec(kind="C", name="c", scope="Namespace", namespace="n"), None),
        (spec(kind="C", name="c", scope="Namespace", namespace="N"), "namespace: Invalid value"),
    ],
)
def test_class_is_judged_as_upstream_does(wrong, body, cause):
    found = wrong("IngressClass", body)
    if cause is None:
        assert found == []
    else:
        assert any(cause in each for each in found), found


def test_controller_is_immutable(made, update):
    old = made("IngressClass", spec())
    new = {**old, "metadata": dict(old["metadata"]), **spec("a/b")}
    assert update("IngressClass", new, old) == [
        'spec.controller: Invalid value: "a/b": field is immutable'
    ]
    assert new["metadata"]["generation"] == 2


def test_columns_are_kubectls(made):
    plain = made("IngressClass", spec(), name="nginx")
    assert row(plain, 1767323045)[:3] == ("nginx", NGINX, "<none>")
    configured = made("IngressClass", spec(apiGroup="k8s.example.com", kind="Config", name="c"))
    assert row(configured, 1767323045)[2] == "Config.k8s.example.com/c"
