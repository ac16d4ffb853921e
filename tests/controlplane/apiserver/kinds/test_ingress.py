"""Ingresses: upstream's causes, generations, status and columns."""

from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.ingress import row

BACKEND = {"service": {"name": "web", "port": {"number": 80}}}


def spec(**fields):
    return {"spec": fields}


def rules(*entries):
    return spec(rules=list(entries))


def rule(host="", *paths):
    made = {"http": {"paths": list(paths) or [path()]}}
    return {"host": host, **made} if host else made


def path(where="/", kind="Prefix", backend=BACKEND):
    return {"path": where, "pathType": kind, "backend": backend}


def behind(**backend):
    return spec(defaultBackend=backend)


PATH = "spec.rules[0].http.paths[0]"


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (rules(rule("a.example.com"), rule("*.example.com"), rule()), None),
        (spec(defaultBackend=BACKEND), None),
        (spec(), "spec: Invalid value: []: either `defaultBackend` or `rules` must be specified"),
        (
            rules(rule("10.0.0.1")),
            'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
        ),
        (rules(rule("A.example.com")), 'host: Invalid value: "A.example.com": a lowercase RFC'),
        (rules(rule("a.*.com")), 'host: Invalid value: "a.*.com": a wildcard DNS-1123 subdomain'),
        (rules(rule("*")), 'spec.rules[0].host: Invalid value: "*": a wildcard DNS-1123'),
        (rules({"host": "a.b", "http": {"paths": []}}), "rules[0].http.paths: Required value"),
        (rules({"host": "a.b"}), None),
        (rules(rule("", {"backend": BACKEND})), f"{PATH}.pathType: Required value: pathType must"),
        (
            rules(rule("", path("/", "Regex"))),
            f'{PATH}.pathType: Unsupported value: "Regex": supported values: "Exact", '
            '"ImplementationSpecific", "Prefix"',
        ),
        (rules(rule("", path("a"))), f'{PATH}.path: Invalid value: "a": must be an absolute path'),
        (rules(rule("", path("", "Exact"))), f'{PATH}.path: Invalid value: "": must be an abso'),
        (rules(rule("", path("", "ImplementationSpecific"))), None),
        (rules(rule("", path("/a(/|$)(.*)", "ImplementationSpecific"))), None),
        (rules(rule("", path("a", "ImplementationSpecific"))), "must be an absolute path"),
        (rules(rule("", path("/a//b"))), f'{PATH}.path: Invalid value: "/a//b": must not contain'),
        (rules(rule("", path("/a/../b"))), "must not contain '/../'"),
        (rules(rule("", path("/a%2Fb"))), "must not contain '%2F'"),
        (rules(rule("", path("/a/.."))), f'{PATH}.path: Invalid value: "/a/..": cannot end with'),
        (behind(), 'spec.defaultBackend: Invalid value: "": resource or service backend is'),
        (
            behind(**BACKEND, resource={"kind": "Bucket", "name": "b"}),
            'spec.defaultBackend: Invalid value: "": cannot set both resource and service',
        ),
        (behind(resource={"apiGroup": "k8s.io", "kind": "Bucket", "name": "b"}), None),
        (behind(resource={"kind": "Bucket"}), "defaultBackend.resource.name: Required value: name"),
        (behind(service={"port": {"number": 1}}), "defaultBackend.service.name: Required value"),
        (
            behind(service={"name": "1web", "port": {"number": 1}}),
            'spec.defaultBackend.service.name: Invalid value: "1web": a DNS-1035 label must',
        ),
        (
            behind(service={"name": "web", "port": {"number": 1, "name": "http"}}),
            'spec.defaultBackend: Invalid value: "": cannot set both port name & port number',
        ),
        (behind(service={"name": "web"}), "spec.defaultBackend: Required value: port name or num"),
        (
            behind(service={"name": "web", "port": {"number": 65536}}),
            "spec.defaultBackend.service.port.number: Invalid value: 65536: must be between 1",
        ),
        (
            behind(service={"name": "web", "port": {"name": "UP"}}),
            'spec.defaultBackend.service.port.name: Invalid value: "UP": must',
        ),
        (
            spec(defaultBackend=BACKEND, tls=[{"hosts": ["*.a.b", "-a"], "secretName": "tls"}]),
            'spec.tls[0].hosts[1]: Invalid value: "-a": a lowercase RFC 1123 subdomain',
        ),
        (
            spec(defaultBackend=BACKEND, tls=[{"secretName": "T"}]),
            'spec.tls[0].secretName: Invalid value: "T": a lowercase RFC 1123 subdomain',
        ),
        (
            spec(defaultBackend=BACKEND, ingressClassName="A"),
            "spec.ingressClassName: Invalid value",
        ),
        (
            {
                "metadata": {"annotations": {"kubernetes.io/ingress.class": "a"}},
                **spec(defaultBackend=BACKEND, ingressClassName="b"),
            },
            'annotations.kubernetes.io/ingress.class: Invalid value: "a": must match '
            "`ingressClassName` when both are specified",
        ),
    ],
)
def test_ingress_is_judged_as_upstream_does(wrong, body, cause):
    found = wrong("Ingress", body)
    if cause is None:
        assert found == []
    else:
        assert any(cause in each for each in found), found


def test_status_belongs_to_the_controller(made, update):
    ingress = made(
        "Ingress", {**spec(defaultBackend=BACKEND), "status": {"loadBalancer": {"x": 1}}}
    )
    assert ingress["status"] == {"loadBalancer": {}}
    status = {"loadBalancer": {"ingress": [{"ip": "192.168.65.1"}]}}
    new = {**ingress, "metadata": dict(ingress["metadata"]), "status": status}
    assert update("Ingress", new, ingress) == []
    assert new["status"] == {"loadBalancer": {}}
    new = {**ingress, "spec": {}, "status": status}
    assert update("Ingress", new, ingress, status=True) == []
    assert (new["spec"], new["status"]) == (ingress["spec"], status)
    bad = {**ingress, "status": {"loadBalancer": {"ingress": [{"ip": "x", "hostname": "1.2.3.4"}]}}}
    assert update("Ingress", bad, ingress, status=True) == [
        'status.loadBalancer.ingress[0].ip: Invalid value: "x": must be a valid IP address',
        'status.loadBalancer.ingress[0].hostname: Invalid value: "1.2.3.4": must be a DNS name, '
        "not an IP address",
    ]


def test_generation_counts_changes_of_the_spec(made, update):
    ingress = made("Ingress", spec(defaultBackend=BACKEND))
    assert ingress["metadata"]["generation"] == 1
    new = {**ingress, "metadata": dict(ingress["metadata"]), **rules(rule("a.b"))}
    assert update("Ingress", new, ingress) == []
    assert new["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("hosts", "shown"),
    [([], "*"), (["a.b"], "a.b"), (["a.b", "", "c.d", "e.f", "g.h"], "a.b,c.d,e.f + 1 more...")],
)
def test_columns_are_kubectls(made, hosts, shown):
    ingress = made("Ingress", spec(rules=[rule(each) for each in hosts], ingressClassName="nginx"))
    assert row(ingress, 1767323045)[:5] == ("web", "nginx", shown, "", "80")
    ingress["spec"]["tls"] = [{"secretName": "tls"}]
    ingress["status"] = {"loadBalancer": {"ingress": [{"ip": "192.168.65.1"}, {"hostname": "a.b"}]}}
    assert row(ingress, 1767323045)[3:5] == ("192.168.65.1,a.b", "80, 443")
