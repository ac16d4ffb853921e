"""The ingress controller's objects fit together, and its program takes their flags."""

from __future__ import annotations

from ingresscontroller import flags
from podwire.cluster import addons, ingress
from podwire.cluster.layout import Cluster


def by_kind(kind):
    return next(obj for obj in ingress.objects() if obj["kind"] == kind)


def test_the_service_selects_the_deployments_pods_by_ports_that_they_name():
    service, template = by_kind("Service")["spec"], by_kind("Deployment")["spec"]["template"]
    assert service["selector"].items() <= template["metadata"]["labels"].items()
    (container,) = template["spec"]["containers"]
    names = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in service["ports"]} == names
    assert service["type"] == "LoadBalancer"


def test_the_program_takes_its_flags_and_serves_the_class():
    (container,) = by_kind("Deployment")["spec"]["template"]["spec"]["containers"]
    read = flags.read(container["args"][1:])
    metadata = by_kind("Service")["metadata"]
    assert read.publish_service == f"{metadata['namespace']}/{metadata['name']}"
    assert read.controller_class == by_kind("IngressClass")["spec"]["controller"]
    assert container["livenessProbe"]["httpGet"]["port"] == read.healthz_port


def test_only_who_asks_gets_it():
    names = [obj["kind"] for obj in addons.objects(Cluster(name="c", nodes=1))]
    assert "IngressClass" not in names
