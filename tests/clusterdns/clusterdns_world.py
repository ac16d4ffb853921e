"""A small cluster as the API tells of it, and a server that answers about it, in one process."""

from __future__ import annotations

from typing import Any

import dns.flags
import dns.message
import dns.rdatatype

from clusterdns import settings
from clusterdns.answering import Answering, Pending
from clusterdns.chain import Chain
from clusterdns.index import Index
from clusterdns.metrics import Metrics

COREFILE = """
.:53 {
    errors
    health { lameduck 5s }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
    prometheus :9153
    cache 30
    loop
    reload
    loadbalance
}
""".replace("health { lameduck 5s }", "health {\n        lameduck 5s\n    }")

Object = dict[str, Any]


def service(name: str, namespace: str = "default", **spec: Any) -> Object:
    ports = [{"name": "http", "protocol": "TCP", "port": 80}]
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"ports": ports, **spec}}


def endpoint(address: str, hostname: str = "", pod: str = "", **conditions: bool) -> Object:
    made: Object = {"addresses": [address], "conditions": conditions}
    if hostname:
        made["hostname"] = hostname
    if pod:
        made["targetRef"] = {"kind": "Pod", "name": pod}
    return made


def endpoint_slice(
    owner: str, *endpoints: Object, namespace: str = "default", name: str = "", **more: Any
) -> Object:
    labels = {"kubernetes.io/service-name": owner}
    metadata = {"name": name or f"{owner}-abcde", "namespace": namespace, "labels": labels}
    ports = [{"name": "http", "protocol": "TCP", "port": 8080}]
    return {"metadata": metadata, "endpoints": list(endpoints), "ports": ports, **more}


def named(name: str) -> Object:
    return {"metadata": {"name": name}}


SERVICES = (
    service("kubernetes", clusterIPs=["10.96.0.1"], ports=[
        {"name": "https", "protocol": "TCP", "port": 443}]),
    service("kube-dns", "kube-system", clusterIPs=["10.96.0.10"], ports=[
        {"name": "dns", "protocol": "UDP", "port": 53},
        {"name": "dns-tcp", "protocol": "TCP", "port": 53},
        {"name": "metrics", "protocol": "TCP", "port": 9153}]),
    service("web", clusterIPs=["10.96.1.1"]),
    service("dual", clusterIPs=["10.96.1.2", "fd00:10:96::2"]),
    service("six", clusterIPs=["fd00:10:96::3"]),
    service("unnamed", clusterIPs=["10.96.1.3"], ports=[{"protocol": "TCP", "port": 90}]),
    service("empty", clusterIPs=["10.96.1.4"]),
    service("headless", clusterIP="None", clusterIPs=["None"]),
    service("shared", clusterIP="None", clusterIPs=["None"], ports=[
        {"name": "http", "protocol": "TCP", "port": 80},
        {"name": "dns", "protocol": "UDP", "port": 53},
        {"protocol": "TCP", "port": 99}]),
    service("empty-headless", clusterIP="None", clusterIPs=["None"]),
    service("portless", clusterIP="None", clusterIPs=["None"], ports=[]),
    service("outside", type="ExternalName", externalName="www.Example.com", ports=[]),
    service("inside", type="ExternalName", ports=[],
            externalName="web.default.svc.cluster.local"),
    service("nowhere", type="ExternalName", ports=[],
            externalName="none.default.svc.cluster.local"),
    service("ring-a", type="ExternalName", ports=[],
            externalName="ring-b.default.svc.cluster.local"),
    service("ring-b", type="ExternalName", ports=[],
            externalName="ring-a.default.svc.cluster.local"),
)  # fmt: skip

SLICES = (
    endpoint_slice("kube-dns", endpoint("10.244.1.9"), namespace="kube-system"),
    endpoint_slice("web", endpoint("10.244.1.5", pod="web-1"), endpoint("10.244.2.5", "named")),
    endpoint_slice(
        "headless",
        endpoint("10.244.1.2", "db-0", ready=True),
        endpoint("10.244.2.2", "db-1"),
        endpoint("10.244.3.2", pod="db-x"),
        endpoint("10.244.3.3", "db-9", ready=False),
    ),
    endpoint_slice("headless", endpoint("fd00:10:244::2", "db-0"), name="headless-six"),
    endpoint_slice(
        "shared", endpoint("10.244.4.2", "twin"), endpoint("10.244.4.3", "twin"),
        endpoint("10.244.4.4"),
        ports=[{"name": "http", "protocol": "TCP", "port": 8080},
               {"name": "dns", "protocol": "UDP", "port": 5353},
               {"name": "", "protocol": "TCP", "port": 9900}]),
    endpoint_slice("empty-headless", endpoint("10.244.1.7", ready=False)),
    endpoint_slice("portless", endpoint("10.244.1.8", "solo"), ports=[]),
)  # fmt: skip
PODS = (
    {
        "metadata": {"name": "web-1", "namespace": "default"},
        "status": {"phase": "Running", "podIPs": [{"ip": "10.244.1.5"}, {"ip": "fd00:10:244::5"}]},
    },
    {
        "metadata": {"name": "done", "namespace": "default"},
        "status": {"phase": "Succeeded", "podIPs": [{"ip": "10.244.1.99"}]},
    },
)
OWN_ADDRESS = "10.244.1.9"


def index() -> Index:
    made = Index(synced=True)
    for name in ("default", "kube-system", "empty-ns"):
        made.put_namespace(named(name))
    for each in SERVICES:
        made.put_service(each)
    for each in SLICES:
        made.put_slice(each)
    for each in PODS:
        made.put_pod(each)
    return made


def answering(
    corefile: str = COREFILE, known: Index | None = None, *, resolv_conf: str = ""
) -> Answering:
    made = index() if known is None else known
    chain = Chain(settings.read(corefile, {}, resolv_conf), made, OWN_ADDRESS)
    return Answering(chain, made, Metrics())


def ask(
    server: Answering, name: str, kind: str = "A", *, by_tcp: bool = False, **options: Any
) -> dns.message.Message:
    """Ask as dnspython asks, and read as it reads."""
    question = dns.message.make_query(name, kind, **options)
    answer = server.answer(question.to_wire(), 0.0, by_tcp=by_tcp)
    assert not isinstance(answer, Pending), "another resolver is asked"
    assert answer is not None
    message = dns.message.from_wire(answer)
    assert question.is_response(message)
    return message


def rows(message: dns.message.Message) -> list[str]:
    """Return the answers as `TYPE DATA`, sorted, with the owner where it is not what was asked."""
    asked = message.question[0].name
    found = []
    for each in message.answer:
        owner = "" if each.name == asked else f"{each.name} "
        kind = dns.rdatatype.to_text(each.rdtype)
        found += [f"{owner}{kind} {data}" for data in each]
    return sorted(found)
