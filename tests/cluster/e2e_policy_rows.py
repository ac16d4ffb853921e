"""The cases of upstream's e2e suite (test/e2e/network/netpol) as rows, by their names there.

Cases that change something on their way are several rows, one behind the other; those that upstream
asks by one port or protocol are asked by all here. Cases of UDP and SCTP that say what one of TCP
says are the same row, since a row is probed over every protocol.
"""

from __future__ import annotations

from collections.abc import Iterator

from policy_rows import (
    BOTH,
    EGRESS,
    A,
    B,
    Object,
    Row,
    block,
    expression,
    from_,
    host,
    labels,
    np,
    ns,
    pod,
    port,
    to,
)

_NAME = "kubernetes.io/metadata.name"
_ISOLATED = "deny * -> x/a"


def house(name: str) -> Object:
    """Return a peer by the label that every namespace has."""
    return ns(**{_NAME: name})


def not_x(**more: Object) -> Object:
    return {"namespaceSelector": expression(_NAME, "NotIn", "x"), **more}


def to_a(*peers: Object, ports: tuple[Object, ...] = ()) -> tuple[Object, ...]:
    return (np(select=A, ingress=[from_(*peers, ports=ports)]),)


def of_a(*peers: Object, ports: tuple[Object, ...] = ()) -> tuple[Object, ...]:
    return (np(select=A, egress=[to(*peers, ports=ports)], policyTypes=EGRESS),)


def ingress() -> Iterator[Row]:
    yield Row("should support a 'default-deny-ingress' policy", (np(),), "deny * -> x/*")
    yield Row(
        "should support a 'default-deny-all' policy",
        (np(ingress=[], egress=[], policyTypes=BOTH),),
        "deny * -> x/*; deny x/* -> *",
    )
    yield Row(
        "should enforce policy to allow traffic from pods within server namespace based on"
        " PodSelector",
        to_a(pod(pod="b")),
        f"{_ISOLATED}; allow x/b -> x/a",
    )
    yield Row(
        "should enforce policy to allow ingress traffic for a target",
        (np(), np(name="q", select=A, ingress=[from_({"podSelector": {}, **ns()})])),
        "deny * -> x/*; allow * -> x/a",
    )
    yield Row(
        "should enforce policy to allow ingress traffic from pods in all namespaces", to_a(ns()), ""
    )
    only_y = f"{_ISOLATED}; allow y/* -> x/a"
    for name in (
        "should enforce policy to allow traffic only from a different namespace, based on"
        " NamespaceSelector",
        "should enforce policy to allow traffic based on NamespaceSelector with MatchLabels using"
        " default ns label",
    ):
        yield Row(name, to_a(house("y")), only_y)
    yield Row(
        "should enforce policy based on PodSelector with MatchExpressions",
        to_a({"podSelector": expression("pod", "In", "b")}),
        f"{_ISOLATED}; allow x/b -> x/a",
    )
    yield Row(
        "should enforce policy based on NamespaceSelector with MatchExpressions",
        to_a({"namespaceSelector": expression(_NAME, "In", "y")}),
        only_y,
    )
    yield Row(
        "should enforce policy based on PodSelector or NamespaceSelector",
        to_a(not_x(), pod(pod="b")),
        "deny x/c -> x/a",
    )
    yield Row(
        "should enforce policy based on PodSelector and NamespaceSelector",
        to_a(not_x(**pod(pod="b"))),
        f"{_ISOLATED}; allow y/b -> x/a; allow z/b -> x/a",
    )
    yield Row(
        "should enforce policy based on Multiple PodSelectors and NamespaceSelectors",
        to_a(not_x(podSelector=expression("pod", "In", "b", "c"))),
        "deny x/* -> x/a; deny */a -> x/a",
    )
    yield Row(
        "should enforce policy based on any PodSelectors",
        to_a(pod(pod="b"), pod(pod="c")),
        f"{_ISOLATED}; allow x/* -> x/a",
    )
    yield Row(
        "should enforce policy to allow traffic only from a pod in a different namespace based on"
        " PodSelector and NamespaceSelector",
        to_a({**house("y"), **pod(pod="a")}),
        f"{_ISOLATED}; allow y/a -> x/a",
    )
    yield Row(
        "should deny ingress from pods on other namespaces",
        (np(ingress=[from_({"podSelector": {}})]),),
        "deny y/* -> x/*; deny z/* -> x/*",
    )


def ports() -> Iterator[Row]:
    for protocol in ("TCP", "UDP", "SCTP"):
        yield Row(
            f"should enforce policy based on Ports ({protocol})",
            to_a(house("y"), ports=(port(81, protocol),)),
            f"{_ISOLATED}; allow y/* -> x/a:81/{protocol}",
        )
    (at_81,), (at_80,) = (to_a(house("y"), ports=(port(number),)) for number in (81, 80))
    name = "should enforce multiple, stacked policies with overlapping podSelectors"
    first = f"{_ISOLATED}; allow y/* -> x/a:81/TCP"
    yield Row(f"{name}: one", (at_81,), first)
    at_80["metadata"]["name"] = "q"
    yield Row(f"{name}: both", (at_81, at_80), f"{first}; allow y/* -> x/a:80/TCP")
    yield Row(
        "should allow ingress access on one named port",
        (np(ingress=[from_(ports=[{"port": "serve-81-tcp"}])]),),
        "deny * -> x/*; allow * -> x/*:81/TCP",
    )
    yield Row(
        "should allow ingress access from namespace on one named port",
        to_a(house("y"), ports=(port("serve-80-tcp"),)),
        f"{_ISOLATED}; allow y/* -> x/a:80/TCP",
    )
    yield Row(
        "should allow egress access on one named port",
        (np(egress=[to(ports=[{"port": "serve-80-tcp"}])], policyTypes=EGRESS),),
        "deny x/* -> *; allow x/* -> *:80/TCP",
    )
    yield Row(
        "should enforce ingress policy allowing any port traffic to a server on a specific"
        " protocol",
        to_a(ports=(port(),)),
        f"{_ISOLATED}; allow * -> x/a:/TCP",
    )
    yield Row(
        "should not mistakenly treat 'protocol: SCTP' as 'protocol: TCP', even if the plugin"
        " doesn't support SCTP",
        (np(), np(name="q", select=A, ingress=[from_(ports=[port(81, "SCTP")])])),
        "deny * -> x/*; allow * -> x/a:81/SCTP",
    )
    yield Row(
        "should properly isolate pods that are selected by a policy allowing SCTP, even if the"
        " plugin doesn't support SCTP",
        to_a(ports=(port(80, "SCTP"),)),
        f"{_ISOLATED}; allow * -> x/a:80/SCTP",
    )
    yield Row(
        "should not allow access by TCP when a policy specifies only UDP",
        to_a(ports=(port(81, "UDP"),)),
        f"{_ISOLATED}; allow * -> x/a:81/UDP",
    )


def changes() -> Iterator[Row]:
    yield Row("should support allow-all policy", (np(ingress=[{}]),), "")
    name = "should enforce updated policy"
    yield Row(f"{name}: allow all", (np(ingress=[{}]),), "")
    yield Row(f"{name}: deny all", (np(ingress=[]),), "deny * -> x/*")
    name = "should allow ingress access from updated namespace"
    updated = to_a(ns(ns2="updated"))
    yield Row(f"{name}: before", updated, _ISOLATED)
    marked = ((_NAME, "y"), ("ns", "y"), ("ns2", "updated"))
    yield Row(f"{name}: after", updated, f"{_ISOLATED}; allow y/* -> x/a", (("y", marked),))
    name = "should allow ingress access from updated pod"
    updated = to_a(pod(pod="b", pod2="updated"))
    yield Row(f"{name}: before", updated, _ISOLATED)
    given = (("x/b", (("pod", "b"), ("pod2", "updated"))),)
    yield Row(f"{name}: after", updated, f"{_ISOLATED}; allow x/b -> x/a", given)
    name = "should deny ingress access to updated pod"
    isolated = (np(select=labels(target="isolated")),)
    yield Row(f"{name}: before", isolated, "")
    given = (("x/a", (("pod", "a"), ("target", "isolated"))),)
    yield Row(f"{name}: after", isolated, _ISOLATED, given)
    for side, types, truth in (
        ("ingress", ["Ingress"], "* -> x/*"),
        ("egress", EGRESS, "x/* -> *"),
    ):
        name = f"should enforce multiple {side} policies with {side} allow-all policy taking"
        only = np(**{side: [{"ports": [{"port": 80}]}]}, policyTypes=types)
        everything = np(name="q", **{side: [{}]}, policyTypes=types)
        yield Row(f"{name} precedence: one", (only,), f"deny {truth}; allow {truth}:80/TCP")
        yield Row(f"{name} precedence: both", (only, everything), "")
    name = "should stop enforcing policies after they are deleted"
    yield Row(f"{name}: before", (np(policyTypes=BOTH),), "deny * -> x/*; deny x/* -> *")
    yield Row(f"{name}: after", (), "")


def egress() -> Iterator[Row]:
    yield Row(
        "should deny egress from pods based on PodSelector",
        (np(select=A, policyTypes=EGRESS),),
        "deny x/a -> *",
    )
    yield Row(
        "should deny egress from all pods in a namespace",
        (np(policyTypes=EGRESS),),
        "deny x/* -> *",
    )
    yield Row(
        "should work with Ingress, Egress specified together",
        (
            np(select=A, ingress=[from_(pod(pod="b"))], egress=[to(ports=[{"port": 80}])],
               policyTypes=["Egress", "Ingress"]),
        ),
        f"deny x/a -> *; allow x/a -> *:80/TCP; {_ISOLATED}; allow x/b -> x/a",
    )  # fmt: skip
    from_xa = from_({**house("x"), **pod(pod="a")})
    yield Row(
        "should support denying of egress traffic on the client side (even if the server"
        " explicitly allows this traffic)",
        (
            *of_a({**house("y"), **pod(pod="a")}),
            np("y", A, ingress=[from_xa]),
            np("y", B, name="q", ingress=[from_xa]),
        ),
        "deny * -> y/a; deny * -> y/b; deny x/a -> *; allow x/a -> y/a",
    )
    yield Row(
        "should enforce egress policy allowing traffic to a server in a different namespace based"
        " on PodSelector and NamespaceSelector",
        of_a({**house("y"), **pod(pod="a")}),
        "deny x/a -> *; allow x/a -> y/a",
    )
    yield Row(
        "should allow egress access to server in CIDR block",
        of_a(block(host("y/b"))),
        "deny x/a -> *; allow x/a -> y/b",
    )
    around = block("10.0.0.0/8", host("x/b"))
    yield Row(
        "should enforce except clause while egress access to server in CIDR block",
        of_a(around),
        "deny x/a -> x/b",
    )
    name = "should ensure an IP overlapping both IPBlock.CIDR and IPBlock.Except is allowed"
    yield Row(f"{name}: before", of_a(around), "deny x/a -> x/b")
    yield Row(f"{name}: after", of_a(block(host("x/b"))), "deny x/a -> *; allow x/a -> x/b")
    name = "should enforce policies to check ingress and egress policies can be controlled"
    allowed = np(select=A, egress=[{}], policyTypes=EGRESS)
    yield Row(f"{name} independently based on PodSelector: egress", (allowed,), "")
    yield Row(
        f"{name} independently based on PodSelector: both",
        (allowed, np(name="q", select=A)),
        _ISOLATED,
    )
    yield Row(
        "should enforce policy based on NamespaceSelector with MatchExpressions using default ns"
        " label",
        of_a({"namespaceSelector": expression(_NAME, "NotIn", "y")}),
        "deny x/a -> y/*",
    )


E2E_ROWS: tuple[Row, ...] = (*ingress(), *ports(), *changes(), *egress())
