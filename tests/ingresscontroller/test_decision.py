"""What becomes of a request under each annotation."""

from __future__ import annotations

import random

import pytest
from ingress_objects import CLASSES, backend, ingress, path, rule

from ingresscontroller.decision import Answer, Client, Forward, decide
from ingresscontroller.message import parse_request
from ingresscontroller.translation import translate

HOST = "a.example"


def ask(*ingresses, target="/", host=HOST, method="GET", source="192.0.2.1", secure=False,
        seed=0, fields=()):  # fmt: skip
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    head = parse_request("\r\n".join(lines).encode())
    table = translate(ingresses, CLASSES).table
    return decide(table, head, Client(source, secure), random.Random(seed))


def web(annotations=None, at="/", kind="Prefix", **spec):
    return ingress("web", rule(HOST, path(at, "web", kind)), annotations=annotations, **spec)


RANGES = {"whitelist-source-range": "192.0.2.0/24, fd00::/8", "denylist-source-range": "192.0.2.9"}


@pytest.mark.parametrize(
    ("source", "admitted"),
    [
        ("192.0.2.1", True), ("192.0.2.9", False), ("198.51.100.1", False), ("fd00::1", True),
        ("2001:db8::1", False), ("::ffff:192.0.2.1", True), ("::ffff:192.0.2.9", False),
        ("fd00::1%eth0", True),
    ],
)  # fmt: skip
def test_sources_are_admitted_by_lists(source, admitted):
    decision = ask(web(RANGES), source=source)
    assert isinstance(decision, Forward) if admitted else decision == Answer(403)


def test_a_deny_list_alone_admits_all_others():
    only = {"denylist-source-range": "192.0.2.0/24"}
    assert ask(web(only)) == Answer(403)
    assert isinstance(ask(web(only), source="198.51.100.1"), Forward)


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/something", b"/"), ("/something/new", b"/new"), ("/something/new?x=1", b"/new?x=1"),
        ("/SOMETHING/new", b"/new"), ("/something/../something/a", b"/a"),
    ],
)  # fmt: skip
def test_targets_are_rewritten(target, sent):
    rewriting = web({"rewrite-target": "/$2"}, "/something(/|$)(.*)", "ImplementationSpecific")
    decision = ask(rewriting, target=target)
    assert isinstance(decision, Forward)
    assert decision.target == sent


def test_one_regex_makes_all_paths_of_its_host_regexes():
    first = web({"use-regex": "true"}, "/foo.+", "ImplementationSpecific")
    other = ingress("other", rule(HOST, path("/bar", "other", "Exact")))
    assert ask(first, other, target="/BARn").backend.service == "other"
    assert ask(first, other, target="/fo") == Answer(404)


TLS = [{"hosts": [HOST], "secretName": "s"}]


def test_hosts_with_tls_lead_there():
    assert ask(web(tls=TLS), target="/x?y=1") == Answer(308, f"https://{HOST}/x?y=1")
    assert isinstance(ask(web(tls=TLS), secure=True), Forward)
    assert isinstance(ask(web({"ssl-redirect": "false"}, tls=TLS)), Forward)
    assert isinstance(ask(web()), Forward)
    assert ask(web({"force-ssl-redirect": "true"})).status == 308


def test_redirections_name_their_place():
    assert ask(web({"permanent-redirect": "https://b/"})) == Answer(301, "https://b/")
    assert ask(web({"temporal-redirect": "https://b/"})) == Answer(302, "https://b/")
    assert ask(web({"app-root": "/app"})) == Answer(302, f"http://{HOST}/app")
    assert isinstance(ask(web({"app-root": "/app"}), target="/x"), Forward)


def test_a_body_that_says_too_much_is_refused():
    small = web({"proxy-body-size": "1k"})
    assert ask(small, method="POST", fields=["Content-Length: 1025"]) == Answer(413)
    assert isinstance(ask(small, method="POST", fields=["Content-Length: 1024"]), Forward)
    assert ask(web(), method="POST", fields=["Content-Length: 1048577"]) == Answer(413)
    any_size = web({"proxy-body-size": "0"})
    assert isinstance(ask(any_size, method="POST", fields=["Content-Length: 999999999"]), Forward)


def test_default_backends_take_what_is_left():
    alone = ingress("all", defaultBackend=backend("rest"))
    assert ask(alone, host="any.example").backend.service == "rest"
    assert ask(alone, web(at="/web"), target="/other").backend.service == "rest"
    own = web(at="/web", defaultBackend=backend("own"))
    assert ask(alone, own, target="/other").backend.service == "own"
    assert ask(alone, own, host="b.example").backend.service == "rest"


def test_other_kinds_of_backends_are_nobodys():
    bucket = path("/", "x")
    bucket["backend"] = {"resource": {"apiGroup": "k8s.example.com", "kind": "Bucket", "name": "b"}}
    assert ask(ingress("web", rule(HOST, bucket))) == Answer(503)


def canary(**annotations: str):
    named = {f"canary-{key.replace('_', '-')}": each for key, each in annotations.items()}
    return ingress("canary", rule(HOST, path("/", "new")), annotations={"canary": "true", **named})


@pytest.mark.parametrize(
    ("annotations", "fields", "service"),
    [
        ({"weight": "100"}, [], "new"),
        ({"weight": "0"}, [], "web"),
        ({"by_header": "X-New"}, ["X-New: always"], "new"),
        ({"by_header": "X-New", "weight": "100"}, ["X-New: never"], "web"),
        ({"by_header": "X-New", "weight": "100"}, ["X-New: other"], "new"),
        ({"by_header": "X-New", "by_header_value": "beta"}, ["X-New: beta"], "new"),
        ({"by_header": "X-New", "by_header_value": "beta"}, ["X-New: always"], "web"),
        ({"by_cookie": "new"}, ["Cookie: a=b; new=always"], "new"),
        ({"by_cookie": "new", "weight": "100"}, ["Cookie: new=never"], "web"),
    ],
)
def test_canaries_take_their_requests(annotations, fields, service):
    assert ask(web(), canary(**annotations), fields=fields).backend.service == service


def test_a_canarys_weight_is_a_share():
    taken = [ask(web(), canary(weight="30"), seed=seed).backend.service for seed in range(1000)]
    assert 250 < taken.count("new") < 350


def test_the_older_ingress_has_the_path():
    old = ingress("z", rule(HOST, path("/", "old")), created="2025-01-01T00:00:00Z")
    assert ask(web(), old).backend.service == "old"


@pytest.mark.parametrize(
    ("cls", "annotations", "served"),
    [
        ("nginx", {}, True),
        ("other", {}, False),
        ("missing", {}, False),
        (None, {}, False),
        (None, {"kubernetes.io/ingress.class": "nginx"}, True),
        (None, {"kubernetes.io/ingress.class": "traefik"}, False),
    ],
)
def test_only_ingresses_of_our_class_count(cls, annotations, served):
    decision = ask(web(annotations, cls=cls))
    assert isinstance(decision, Forward) is served


def test_options_for_the_server_is_a_request_for_its_root():
    assert isinstance(ask(web(), target="*", method="OPTIONS"), Forward)
