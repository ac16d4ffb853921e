"""Where backends are served, and what is wrong with Ingresses."""

from __future__ import annotations

from ingress_objects import CLASSES, endpoint_slice, ingress, path, rule, service

from ingresscontroller.table import Backend
from ingresscontroller.translation import Endpoints, Selection, translate


def found(services, slices, port=80, straight=True):
    return Endpoints(services, slices).of(Backend("default", "web", port, straight))


def test_endpoints_are_those_of_the_services_slices():
    slices = [endpoint_slice("web", 8080, "10.0.0.1", "10.0.0.2"), endpoint_slice("web", 9090)]
    assert found([service("web")], slices) == (("10.0.0.1", 8080), ("10.0.0.2", 8080))
    assert found([service("web")], slices, "http") == found([service("web")], slices)
    assert found([service("web")], slices, 81) == found([service("web")], slices, "other") == ()
    assert found([], slices) == ()


def test_those_that_are_not_ready_get_nothing():
    slices = [endpoint_slice("web", 80, "10.0.0.1", ready=False), endpoint_slice("web", 81, "::2")]
    assert found([service("web")], slices) == (("::2", 81),)
    ending = endpoint_slice("web", 80, "10.0.0.1", ready=False, serving=True, terminating=True)
    assert found([service("web")], [ending]) == ()


def test_a_service_may_be_asked_itself():
    slices = [endpoint_slice("web", 8080, "10.0.0.1")]
    assert found([service("web")], slices, straight=False) == (("10.96.1.1", 80),)
    headless = service("web", clusterIP="None")
    assert found([headless], slices, straight=False) == (("10.0.0.1", 8080),)


def test_an_external_name_is_asked_by_its_name():
    external = service("web", type="ExternalName", externalName="www.example.com")
    assert found([external], []) == (("www.example.com", 80),)
    external["spec"]["ports"] = []
    assert found([external], [], 8443) == (("www.example.com", 8443),)
    assert found([external], [], "http") == ()


def test_certificates_belong_to_hosts():
    made = translate([
        ingress("one", rule("a.example", path("/", "web")), rule("*.b.example", path("/", "web")),
                tls=[{"hosts": ["a.example"], "secretName": "a"},
                     {"hosts": ["*.b.example"], "secretName": "b"}]),
        ingress("two", rule("c.example", path("/", "web")), tls=[{"secretName": "c"}]),
    ], CLASSES).table  # fmt: skip
    assert [made.secret(name) for name in ("a.example", "x.b.example", "c.example")] == [
        "default/a", "default/b", "default/c",
    ]  # fmt: skip
    assert made.secret("b.example") == made.secret("x.y.b.example") == made.secret("") == ""


def test_what_is_wrong_is_told_and_the_rest_is_served():
    made = translate([
        ingress("web", rule("a.example", path("/(", "bad"), path("/ok", "web")),
                annotations={"use-regex": "true", "proxy-body-size": "x"}),
    ], CLASSES)  # fmt: skip
    assert [key for key, _ in made.wrong] == ["default/web", "default/web"]
    assert made.table.match("a.example", "/ok").backend.service == "web"
    assert made.table.match("a.example", "/(") is None


def test_a_service_may_take_what_fits_no_rule():
    selection = Selection(default_backend="default/web")
    made = translate([ingress("x", rule("a.example", path("/a", "a")))], CLASSES, selection).table
    for host, at in (("a.example", "/b"), ("b.example", "/")):
        assert made.match(host, at).backend.service == "web"
    assert made.match("a.example", "/a").backend.service == "a"
    slices = [endpoint_slice("web", 8080, "10.0.0.1")]
    backend = made.match("b.example", "/").backend
    assert Endpoints([service("web", 4711)], slices).of(backend) == (("10.0.0.1", 8080),)


def test_a_controller_may_have_other_names():
    selection = Selection("example.com/other", "mine", without_class=True)
    assert selection.takes(ingress("x", cls="other"), CLASSES)
    assert selection.takes(ingress("x", cls=None), CLASSES)
    annotated = ingress("x", cls=None, annotations={"kubernetes.io/ingress.class": "mine"})
    assert selection.takes(annotated, CLASSES)
    assert not selection.takes(ingress("x", cls="nginx"), CLASSES)
