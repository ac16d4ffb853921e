"""Rows of the truth table about administrators' policies; `policy_rows` says how to read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policy_rows import PROTOCOLS, A, Object, Row, from_, labels, np, ns


def every(action: str) -> Object:
    return {"action": action, "from": [{"namespaces": {}}]}


def ins(action: str, *peers: Object, **fields: Any) -> Object:
    return {"action": action, "from": list(peers), **fields}


def outs(action: str, *peers: Object, **fields: Any) -> Object:
    return {"action": action, "to": list(peers), **fields}


def house(name: str) -> Object:
    return {"namespaces": labels(ns=name)}


def pods_of(name: str, which: str) -> Object:
    return {"pods": {"namespaceSelector": labels(ns=name), "podSelector": labels(pod=which)}}


def _cluster(kind: str, version: str, name: str, spec: Object) -> Object:
    return {
        "apiVersion": f"policy.networking.k8s.io/{version}",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"subject": house("x"), **spec},
    }


def anp(name: str = "anp", priority: int = 10, **spec: Any) -> Object:
    return _cluster("AdminNetworkPolicy", "v1alpha1", name, {"priority": priority, **spec})


def banp(**spec: Any) -> Object:
    return _cluster("BaselineAdminNetworkPolicy", "v1alpha1", "default", spec)


def cnp(tier: str = "Admin", name: str = "cnp", priority: int = 10, **spec: Any) -> Object:
    return _cluster(
        "ClusterNetworkPolicy", "v1alpha2", name, {"tier": tier, "priority": priority, **spec}
    )


def _in_words_of(kind: str, action: str) -> str:
    return "Accept" if kind == "cnp" and action == "Allow" else action


def _ports_of(kind: str, *given: tuple[str, int]) -> Object:
    if kind == "cnp":
        found = [{each.lower(): {"destinationPort": {"number": n}}} for each, n in given]
        return {"protocols": found}
    return {"ports": [{"portNumber": {"protocol": each, "port": n}} for each, n in given]}


def tiers() -> Iterator[Row]:
    """Admin before NetworkPolicies before Baseline."""
    open_, closed = np(name="open", ingress=[{}]), np(name="closed")
    yield Row(
        "Admin denies what a NetworkPolicy allows",
        (anp(ingress=[ins("Deny", house("y"))]), open_),
        "deny y/* -> x/*",
    )
    yield Row(
        "Admin allows what a NetworkPolicy denies",
        (anp(ingress=[ins("Allow", house("y"))]), closed),
        "deny * -> x/*; allow y/* -> x/*",
    )
    yield Row(
        "Admin passes to a NetworkPolicy that denies",
        (anp(ingress=[ins("Pass", house("y")), every("Allow")]), closed),
        "deny y/* -> x/*",
    )
    yield Row(
        "Admin passes to a NetworkPolicy that allows",
        (anp(ingress=[ins("Pass", house("y")), every("Deny")]), open_),
        "deny * -> x/*; allow y/* -> x/*",
    )
    yield Row(
        "Admin passes to the Baseline where nobody isolates",
        (anp(ingress=[ins("Pass", house("y")), every("Allow")]), banp(ingress=[every("Deny")])),
        "deny y/* -> x/*",
    )
    yield Row(
        "Baseline denies those whom nobody isolates",
        (banp(ingress=[every("Deny")]),),
        "deny * -> x/*",
    )
    yield Row(
        "Baseline is not asked about isolated pods",
        (banp(ingress=[every("Deny")]), np(select=A, name="open", ingress=[{}])),
        "deny * -> x/b; deny * -> x/c",
    )
    yield Row(
        "Baseline allows nothing that isolation denies",
        (banp(ingress=[every("Allow")]), np(select=A)),
        "deny * -> x/a",
    )
    yield Row(
        "Baseline: the first rule decides",
        (banp(ingress=[ins("Allow", house("y")), every("Deny")]),),
        "deny * -> x/*; allow y/* -> x/*",
    )
    yield Row(
        "isolation of one direction leaves the other to the Baseline",
        (banp(ingress=[every("Deny")], egress=[outs("Deny", house("y"))]), np(ingress=[{}])),
        "deny x/* -> y/*",
    )
    yield Row(
        "three tiers for three namespaces",
        (
            anp(ingress=[ins("Deny", house("y")), ins("Pass", house("x"), house("z"))]),
            np(select=A, ingress=[from_(ns(ns="z"))]),
            banp(ingress=[ins("Deny", house("x"))]),
        ),
        "deny y/* -> x/*; deny x/* -> x/*; deny * -> x/a; allow z/* -> x/a",
    )
    yield Row(
        "a lower priority number is asked first",
        (
            anp("one", 10, ingress=[ins("Allow", house("y"))]),
            anp("two", 5, ingress=[ins("Deny", house("y"), house("z"))]),
        ),
        "deny y/* -> x/*; deny z/* -> x/*",
    )
    yield Row(
        "and the other way round",
        (
            anp("one", 5, ingress=[ins("Allow", house("y"))]),
            anp("two", 10, ingress=[ins("Deny", house("y"), house("z"))]),
        ),
        "deny z/* -> x/*",
    )
    yield Row(
        "Pass ends its tier, not only its policy",
        (anp("one", 5, ingress=[ins("Pass", house("y"))]), anp("two", 10, ingress=[every("Deny")])),
        "deny * -> x/*; allow y/* -> x/*",
    )
    yield Row(
        "both kinds of Admin in one order",
        (
            anp("one", 7, ingress=[ins("Deny", house("y"))]),
            cnp("Admin", "two", 6, ingress=[ins("Accept", pods_of("y", "a"))]),
        ),
        "deny y/* -> x/*; allow y/a -> x/*",
    )
    yield Row(
        "both kinds of Baseline, the unnumbered one last",
        (banp(ingress=[every("Deny")]), cnp("Baseline", ingress=[ins("Accept", house("y"))])),
        "deny * -> x/*; allow y/* -> x/*",
    )
    yield Row(
        "Baseline may pass, to the end",
        (banp(ingress=[every("Deny")]), cnp("Baseline", ingress=[ins("Pass", house("y"))])),
        "deny * -> x/*; allow y/* -> x/*",
    )
    yield Row(
        "Accept at one end is no permission at the other",
        (anp(egress=[outs("Allow", house("y"))]), np("y", A)),
        "deny * -> y/a",
    )
    yield Row(
        "a subject by pods",
        (anp(subject=pods_of("x", "a"), ingress=[every("Deny")]),),
        "deny * -> x/a",
    )
    yield Row(
        "subjects of all namespaces",
        (anp(subject={"namespaces": {}}, egress=[outs("Deny", house("y"))]),),
        "deny * -> y/*",
    )
    yield Row("a subject that nobody is", (anp(subject=house("w"), ingress=[every("Deny")]),), "")
    yield Row("no rules: nothing happens", (anp(), banp(), cnp()), "")
    yield Row("pods without their node", (anp(egress=[outs("Deny", {"nodes": {}})]),), "")
    yield Row(
        "an administrator's networks mean pods, too",
        (cnp(egress=[outs("Deny", {"networks": ["10.244.2.0/24"]})]),),
        "deny x/* -> x/c; deny x/* -> y/a; deny x/* -> y/c; deny x/* -> z/b; deny x/* -> z/c",
    )
    yield Row(
        "pods passed before networks",
        (
            cnp(
                egress=[
                    outs("Pass", {"namespaces": {}}),
                    outs("Deny", {"networks": ["0.0.0.0/0", "::/0"]}),
                ]
            ),
        ),
        "",
    )


def conformance() -> Iterator[Row]:
    """network-policy-api's conformance cases: one kind after the other, direction by direction."""
    makers = {"anp": anp, "cnp": cnp, "banp": banp}
    for kind, make in makers.items():
        for direction, one in (("ingress", ins), ("egress", outs)):
            deny, allow = "Deny", _in_words_of(kind, "Allow")

            def truth(verb: str, other: str, ports: str = "", direction: str = direction) -> str:
                here, there = ("x/*", other) if direction == "egress" else (other, "x/*")
                return f"{verb} {here} -> {there}{ports};"

            for protocol in PROTOCOLS:
                yield Row(
                    f"{kind}: {direction} of {protocol}: all of one, a port of another",
                    (
                        make(
                            **{
                                direction: [
                                    one(allow, house("z")),
                                    one(deny, house("z")),
                                    one(deny, house("y"), **_ports_of(kind, (protocol, 80))),
                                    one(allow, house("y")),
                                ]
                            }
                        ),
                    ),
                    truth("deny", "y/*", f":80/{protocol}"),
                )
                yield Row(
                    f"{kind}: {direction} of {protocol}: one port allowed, the rest denied",
                    (
                        make(
                            **{
                                direction: [
                                    one(allow, house("y"), **_ports_of(kind, (protocol, 81))),
                                    one(deny, house("y")),
                                ]
                            }
                        ),
                    ),
                    truth("deny", "y/*") + truth("allow", "y/*", f":81/{protocol}"),
                )
            yield Row(
                f"{kind}: {direction}: rules combined",
                (
                    make(
                        **{
                            direction: [
                                one(allow, pods_of("y", "a")),
                                one(deny, house("y")),
                                one(
                                    deny,
                                    house("z"),
                                    **_ports_of(kind, ("TCP", 80), ("UDP", 81), ("SCTP", 80)),
                                ),
                            ]
                        }
                    ),
                ),
                truth("deny", "y/*")
                + truth("allow", "y/a")
                + truth("deny", "z/*", ":80/TCP")
                + truth("deny", "z/*", ":81/UDP")
                + truth("deny", "z/*", ":80/SCTP"),
            )
    ranged = [{"tcp": {"destinationPort": {"range": {"start": 79, "end": 80}}}}]
    yield Row(
        "cnp: a range of ports",
        (cnp(ingress=[{**every("Deny"), "protocols": ranged}]),),
        "deny * -> x/*:80/TCP",
    )
    named = [{"destinationNamedPort": "serve-81-udp"}]
    yield Row(
        "cnp: a named port of ingress",
        (cnp(ingress=[{**every("Deny"), "protocols": named}]),),
        "deny * -> x/*:81/UDP",
    )
    yield Row(
        "anp: a named port of egress",
        (anp(egress=[outs("Deny", house("y"), ports=[{"namedPort": "serve-80-sctp"}])]),),
        "deny x/* -> y/*:80/SCTP",
    )
    yield Row(
        "anp: a range of ports of egress",
        (
            anp(
                egress=[
                    outs(
                        "Deny",
                        house("y"),
                        ports=[{"portRange": {"protocol": "UDP", "start": 80, "end": 81}}],
                    )
                ]
            ),
        ),
        "deny x/* -> y/*:/UDP",
    )


ADMIN_ROWS: tuple[Row, ...] = (*tiers(), *conformance())
