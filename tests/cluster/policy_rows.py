"""The truth table of network policies: what is applied, and who then reaches whom.

Three namespaces x, y and z (labels `ns` and `kubernetes.io/metadata.name`) have three pods a, b and
c each (label `pod`), who serve ports 80 and 81 over TCP, UDP and SCTP, named `serve-80-tcp` and so
on. A row is read as it is written: from everything being allowed on, each line of its truth denies
or allows from whom to whom, a later line again what an earlier one said. `x/*`, `*/a` and `*` mean
several pods; behind them may stand a port, a protocol, or both: `:80/TCP`. Cases are those of
upstream's e2e suite (test/e2e/network/netpol), of cyclonus' generator and of network-policy-api's
conformance suite, and what they leave out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

Object = dict[str, Any]
NAMESPACES, PODS, PORTS, PROTOCOLS = "xyz", "abc", (80, 81), ("TCP", "UDP", "SCTP")
#: Where each pod is, and which address it has.
NODES = {"x/a": 1, "x/b": 1, "x/c": 2, "y/a": 2, "y/b": 1, "y/c": 2, "z/a": 1, "z/b": 2, "z/c": 2}
ADDRESSES = {
    pod: f"10.244.{node}.{number}" for number, (pod, node) in enumerate(NODES.items(), start=11)
}
#: Sender, receiver, port, protocol.
Probe = tuple[str, str, int, str]
PROBES: tuple[Probe, ...] = tuple(
    (source, destination, port, protocol)
    for source, destination in product(NODES, NODES)
    if source != destination
    for port, protocol in product(PORTS, PROTOCOLS)
)


@dataclass(frozen=True, slots=True)
class Row:
    """Policies, labels that are others than usual, and the truth."""

    name: str
    policies: tuple[Object, ...]
    truth: str
    #: Pod or namespace → its labels instead.
    labels: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()

    def allowed(self) -> set[Probe]:
        """Return the probes that arrive."""
        reached = dict.fromkeys(PROBES, True)
        for line in filter(None, map(str.strip, self.truth.replace(";", "\n").split("\n"))):
            verb, source, _, target = line.split()
            assert verb in ("deny", "allow"), line
            for probe in PROBES:
                if _means(source, probe[0]) and _hits(target, probe):
                    reached[probe] = verb == "allow"
        return {probe for probe, arrives in reached.items() if arrives}


def _means(text: str, pod: str) -> bool:
    return text == "*" or all(
        part in ("*", mine) for part, mine in zip(text.split("/"), pod.split("/"), strict=True)
    )


def _hits(text: str, probe: Probe) -> bool:
    who, _, where = text.partition(":")
    port, _, protocol = where.partition("/")
    return _means(who, probe[1]) and port in ("", str(probe[2])) and protocol in ("", probe[3])


# How policies are written below.


def np(
    namespace: str = "x", select: Object | None = None, *, name: str = "p", **spec: Any
) -> Object:
    """Return a NetworkPolicy; policyTypes follow upstream's default unless given."""
    types = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": select or {}, "policyTypes": types, **spec},
    }


def labels(**wanted: str) -> Object:
    return {"matchLabels": wanted}


def expression(key: str, operator: str, *values: str) -> Object:
    row: Object = {"key": key, "operator": operator}
    return {"matchExpressions": [{**row, "values": list(values)} if values else row]}


def pod(**wanted: str) -> Object:
    return {"podSelector": labels(**wanted)}


def ns(**wanted: str) -> Object:
    return {"namespaceSelector": labels(**wanted)}


def block(cidr: str, *excluded: str) -> Object:
    return {"ipBlock": {"cidr": cidr, **({"except": list(excluded)} if excluded else {})}}


def host(name: str) -> str:
    return f"{ADDRESSES[name]}/32"


def port(number: int | str | None = None, protocol: str = "TCP", last: int = 0) -> Object:
    found: Object = {"protocol": protocol}
    if number is not None:
        found["port"] = number
    return {**found, "endPort": last} if last else found


def rule(side: str, *peers: Object, ports: Sequence[Object] = ()) -> Object:
    return {**({side: list(peers)} if peers else {}), **({"ports": list(ports)} if ports else {})}


def from_(*peers: Object, ports: Sequence[Object] = ()) -> Object:
    return rule("from", *peers, ports=ports)


def to(*peers: Object, ports: Sequence[Object] = ()) -> Object:
    return rule("to", *peers, ports=ports)


A, B = labels(pod="a"), labels(pod="b")
EGRESS, BOTH = ["Egress"], ["Ingress", "Egress"]


def isolation() -> Iterator[Row]:
    """Who is isolated, in which direction."""
    yield Row("no policy", (), "")
    yield Row("default deny of ingress", (np(),), "deny * -> x/*")
    yield Row("default deny of egress", (np(policyTypes=EGRESS),), "deny x/* -> *")
    yield Row("default deny of all", (np(policyTypes=BOTH),), "deny * -> x/*; deny x/* -> *")
    yield Row("empty list of rules", (np(ingress=[]),), "deny * -> x/*")
    yield Row(
        "empty lists of both",
        (np(ingress=[], egress=[], policyTypes=BOTH),),
        "deny * -> x/*; deny x/* -> *",
    )
    yield Row("one rule that allows all", (np(ingress=[{}]),), "")
    yield Row("all allowed, both ways", (np(ingress=[{}], egress=[{}]),), "")
    yield Row(
        "egress allowed, ingress denied by the default types", (np(egress=[{}]),), "deny * -> x/*"
    )
    yield Row(
        "types name ingress only: rules of egress mean nothing",
        (np(egress=[to(pod(pod="a"))], policyTypes=["Ingress"]),),
        "deny * -> x/*",
    )
    yield Row(
        "types name egress only: rules of ingress mean nothing",
        (np(ingress=[{}], policyTypes=EGRESS),),
        "deny x/* -> *",
    )
    yield Row("one target", (np(select=A),), "deny * -> x/a")
    yield Row("one target, egress", (np(select=A, policyTypes=EGRESS),), "deny x/a -> *")
    yield Row("a target that no pod is", (np(select=labels(pod="d")),), "")
    yield Row(
        "a target by two labels, one of which is wrong",
        (np(select=labels(pod="a", tier="no")),),
        "",
    )
    yield Row(
        "targets by In",
        (np(select=expression("pod", "In", "a", "b")),),
        "deny * -> x/a; deny * -> x/b",
    )
    yield Row(
        "targets by NotIn", (np(select=expression("pod", "NotIn", "a", "b")),), "deny * -> x/c"
    )
    yield Row("targets by Exists", (np(select=expression("pod", "Exists")),), "deny * -> x/*")
    yield Row("targets by DoesNotExist", (np(select=expression("pod", "DoesNotExist")),), "")
    yield Row(
        "targets by NotIn of a label they lack",
        (np(select=expression("tier", "NotIn", "web")),),
        "deny * -> x/*",
    )
    yield Row("policies in two namespaces", (np("x"), np("y")), "deny * -> x/*; deny * -> y/*")
    yield Row("every namespace", (np("x"), np("y"), np("z")), "deny * -> *")
    yield Row(
        "a policy that selects nothing, beside one that does",
        (np(select=labels(pod="d"), policyTypes=BOTH), np(name="q", select=B)),
        "deny * -> x/b",
    )


def peers() -> Iterator[Row]:
    """Whom peers mean, in each direction."""
    kinds: list[tuple[str, list[Object], list[str]]] = [
        ("pods of the own namespace", [pod(pod="b")], ["x/b"]),
        ("all pods of the own namespace", [{"podSelector": {}}], ["x/*"]),
        ("a namespace", [ns(ns="y")], ["y/*"]),
        ("a namespace by its name", [ns(**{"kubernetes.io/metadata.name": "y"})], ["y/*"]),
        ("all namespaces", [{"namespaceSelector": {}}], ["*"]),
        ("pods and namespace: both must fit", [{**ns(ns="y"), **pod(pod="b")}], ["y/b"]),
        ("pods or namespace: one is enough", [ns(ns="y"), pod(pod="b")], ["y/*", "x/b"]),
        ("pods of every namespace", [{"namespaceSelector": {}, **pod(pod="b")}], ["*/b"]),
        ("a namespace and all of its pods", [{**ns(ns="y"), "podSelector": {}}], ["y/*"]),
        ("namespaces by In", [{"namespaceSelector": expression("ns", "In", "y", "z")}],
         ["y/*", "z/*"]),
        ("namespaces by NotIn", [{"namespaceSelector": expression("ns", "NotIn", "x")}],
         ["y/*", "z/*"]),
        ("namespaces by Exists", [{"namespaceSelector": expression("ns", "Exists")}], ["*"]),
        ("namespaces by DoesNotExist",
         [{"namespaceSelector": expression("ns", "DoesNotExist")}], []),
        ("pods by In", [{"podSelector": expression("pod", "In", "b", "c")}], ["x/b", "x/c"]),
        ("pods by NotIn", [{"podSelector": expression("pod", "NotIn", "b", "c")}], ["x/a"]),
        ("several of both kinds",
         [{"namespaceSelector": expression("ns", "In", "y", "z"),
           "podSelector": expression("pod", "In", "a", "c")}, pod(pod="c")],
         ["y/a", "y/c", "z/a", "z/c", "x/c"]),
        ("nobody: labels that no pod has", [pod(pod="d")], []),
        ("nobody: labels that no namespace has", [ns(ns="w")], []),
        ("a block of one address", [block(host("y/b"))], ["y/b"]),
        ("a block of a node's pods", [block("10.244.2.0/24")],
         [name for name, node in NODES.items() if node == 2]),
        ("a block of all", [block("0.0.0.0/0")], ["*"]),
        ("a block without some", [block("10.244.0.0/16", host("y/b"), "10.244.1.0/24")],
         [name for name, node in NODES.items() if node == 2 and name != "y/b"]),
        ("an exception that another block means",
         [block("10.244.0.0/16", host("y/b")), block(host("y/b"))], ["*"]),
        ("a block without itself by halves",
         [block("10.244.0.0/16", "10.244.0.0/17", "10.244.128.0/17")], []),
        ("a block of the other family", [block("::/0")], []),
        ("a block of elsewhere", [block("203.0.113.0/24")], []),
        ("a block with bits behind its prefix", [block("10.244.2.99/24")],
         [name for name, node in NODES.items() if node == 2]),
        ("a block beside a selector", [block(host("y/b")), ns(ns="z")], ["y/b", "z/*"]),
    ]  # fmt: skip
    for what, items, whom in kinds:
        truth = "; ".join(f"allow {each} -> x/a" for each in whom)
        yield Row(
            f"from {what}", (np(select=A, ingress=[from_(*items)]),), f"deny * -> x/a; {truth}"
        )
        truth = "; ".join(f"allow x/a -> {each}" for each in whom)
        yield Row(
            f"to {what}",
            (np(select=A, egress=[to(*items)], policyTypes=EGRESS),),
            f"deny x/a -> *; {truth}",
        )


def ports() -> Iterator[Row]:
    """Which ports rules mean, of which protocol."""
    for protocol in PROTOCOLS:
        name = protocol.lower()
        kinds: list[tuple[str, list[Object], list[str]]] = [
            ("by number", [port(80, protocol)], [f":80/{protocol}"]),
            ("by name", [port(f"serve-81-{name}", protocol)], [f":81/{protocol}"]),
            ("all", [port(None, protocol)], [f":/{protocol}"]),
            ("by range", [port(79, protocol, 80)], [f":80/{protocol}"]),
            ("both", [port(80, protocol), port(f"serve-81-{name}", protocol)],
             [f":/{protocol}"]),
        ]  # fmt: skip
        for what, items, where in kinds:
            truth = "; ".join(f"allow * -> x/a{each}" for each in where)
            yield Row(
                f"ingress at ports of {protocol}, {what}",
                (np(select=A, ingress=[from_(ports=items)]),),
                f"deny * -> x/a; {truth}",
            )
            truth = "; ".join(f"allow x/a -> *{each}" for each in where)
            yield Row(
                f"egress to ports of {protocol}, {what}",
                (np(select=A, egress=[to(ports=items)], policyTypes=EGRESS),),
                f"deny x/a -> *; {truth}",
            )
    yield Row(
        "a name of another protocol is no port",
        (np(ingress=[from_(ports=[port("serve-80-tcp", "UDP")])]),),
        "deny * -> x/*",
    )
    yield Row(
        "a name that no pod has", (np(ingress=[from_(ports=[port("nothing")])]),), "deny * -> x/*"
    )
    yield Row(
        "ranges of one port, of all, and of others",
        (
            np(
                select=A,
                ingress=[
                    from_(ports=[port(81, "TCP", 81), port(1, "UDP", 65535), port(82, "SCTP", 90)])
                ],
            ),
        ),
        "deny * -> x/a; allow * -> x/a:81/TCP; allow * -> x/a:/UDP",
    )
    yield Row(
        "a port for some, another for others",
        (
            np(
                select=A,
                ingress=[from_(ns(ns="y"), ports=[port(80)]), from_(ns(ns="z"), ports=[port(81)])],
            ),
        ),
        "deny * -> x/a; allow y/* -> x/a:80/TCP; allow z/* -> x/a:81/TCP",
    )
    yield Row(
        "peers and ports are both asked, egress",
        (
            np(
                select=A,
                policyTypes=EGRESS,
                egress=[to(ns(ns="y"), ports=[port("serve-80-udp", "UDP")]), to(pod(pod="b"))],
            ),
        ),
        "deny x/a -> *; allow x/a -> y/*:80/UDP; allow x/a -> x/b",
    )
    yield Row(
        "a name and a block: only pods have names",
        (
            np(
                select=A,
                policyTypes=EGRESS,
                egress=[to(block("0.0.0.0/0"), ports=[port("serve-80-tcp")])],
            ),
        ),
        "deny x/a -> *",
    )
    yield Row(
        "a name, a block and a selector",
        (
            np(
                select=A,
                policyTypes=EGRESS,
                egress=[to(block("0.0.0.0/0"), ns(ns="y"), ports=[port("serve-80-tcp"), port(81)])],
            ),
        ),
        "deny x/a -> *; allow x/a -> *:81/TCP; allow x/a -> y/*:80/TCP",
    )


def several() -> Iterator[Row]:
    """Several policies, both directions, and what changed."""
    allow_all = np(name="all", ingress=[{}])
    yield Row(
        "stacked: permissions add up",
        (
            np(select=A, ingress=[from_(ns(ns="y"), ports=[port(80)])]),
            np(name="q", select=A, ingress=[from_(ns(ns="z"))]),
        ),
        "deny * -> x/a; allow y/* -> x/a:80/TCP; allow z/* -> x/a",
    )
    yield Row("allow-all outdoes default deny", (np(), allow_all), "")
    yield Row(
        "egress: allow-all outdoes default deny",
        (np(policyTypes=EGRESS), np(name="all", egress=[{}], policyTypes=EGRESS)),
        "",
    )
    yield Row(
        "overlapping targets",
        (
            np(select=expression("pod", "In", "a", "b"), ingress=[from_(ns(ns="y"))]),
            np(name="q", select=expression("pod", "In", "b", "c"), ingress=[from_(ns(ns="z"))]),
        ),
        "deny * -> x/*; allow y/* -> x/a; allow y/* -> x/b; allow z/* -> x/b;allow z/* -> x/c",
    )
    yield Row(
        "both ends must allow: the sender does not",
        (np("y", A, policyTypes=EGRESS), np(select=A, ingress=[{}])),
        "deny y/a -> *",
    )
    yield Row(
        "both ends must allow: the receiver does not",
        (np("y", A, egress=[{}], policyTypes=EGRESS), np(select=A)),
        "deny * -> x/a",
    )
    yield Row(
        "both ends must allow, by ports",
        (
            np("y", A, policyTypes=EGRESS, egress=[to(ns(ns="x"), ports=[port(80), port(81)])]),
            np(select=A, ingress=[from_(ns(ns="y"), ports=[port(81), port(81, "UDP")])]),
        ),
        "deny y/a -> *; allow y/a -> x/*:/TCP; deny * -> x/a; allow y/* -> x/a:81;"
        "deny * -> x/a:81/SCTP; deny y/a -> x/a:81/UDP",
    )
    yield Row(
        "ingress and egress in one policy",
        (np(select=A, ingress=[from_(pod(pod="b"))], egress=[to(pod(pod="c"))]),),
        "deny * -> x/a; deny x/a -> *; allow x/b -> x/a; allow x/a -> x/c",
    )
    yield Row(
        "egress of a namespace to itself and one other pod",
        (
            np(
                policyTypes=EGRESS,
                egress=[to({"podSelector": {}}), to({**ns(ns="z"), **pod(pod="c")})],
            ),
        ),
        "deny x/* -> *; allow x/* -> x/*; allow x/* -> z/c",
    )
    yield Row(
        "no ingress from other namespaces",
        (np(ingress=[from_({"podSelector": {}})]),),
        "deny * -> x/*; allow x/* -> x/*",
    )
    other = (("pod", "b"),)
    yield Row(
        "a pod's labels make it the target",
        (np(select=B),),
        "deny * -> x/b; deny * -> x/a",
        labels=(("x/a", other),),
    )
    yield Row(
        "a pod's labels make it a peer",
        (np(select=A, ingress=[from_(pod(pod="b"))]),),
        "deny * -> x/a; allow x/b -> x/a; allow x/c -> x/a",
        labels=(("x/c", other),),
    )
    yield Row(
        "a pod's labels make it a peer no more",
        (np(select=A, ingress=[from_(pod(pod="b"))]),),
        "deny * -> x/a",
        labels=(("x/b", (("pod", "d"),)),),
    )
    yield Row(
        "a namespace's labels make it a peer",
        (np(select=A, ingress=[from_(ns(ns="w"))]),),
        "deny * -> x/a; allow y/* -> x/a",
        labels=(("y", (("ns", "w"),)),),
    )
    yield Row(
        "a namespace's labels make it a peer no more",
        (np(select=A, egress=[to(ns(ns="y"))], policyTypes=EGRESS),),
        "deny x/a -> *",
        labels=(("y", (("ns", "w"),)),),
    )


ROWS: tuple[Row, ...] = (*isolation(), *peers(), *ports(), *several())
