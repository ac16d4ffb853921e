"""The DNS specification 1.1.0 as a table, asked with dnspython; the rest as CoreDNS decides.

A row: what is asked, of which type, the code, and every record of the answer. NODATA is NOERROR
without records. `default` is the namespace, `cluster.local` the zone, unless a row says otherwise.
"""

from __future__ import annotations

import dns.flags
import dns.rcode
import pytest
from clusterdns_world import COREFILE, answering, ask, index, rows

ZONE = "cluster.local."
D = f"default.svc.{ZONE}"
NOERROR, NXDOMAIN, REFUSED = "NOERROR", "NXDOMAIN", "REFUSED"

TABLE = [
    # 2.2: the schema's version.
    ("dns-version." + ZONE, "TXT", NOERROR, ['TXT "1.1.0"']),
    ("dns-version." + ZONE, "A", NXDOMAIN, []),
    # 2.3: Services with a cluster IP.
    ("kubernetes." + D, "A", NOERROR, ["A 10.96.0.1"]),
    ("kubernetes." + D, "AAAA", NOERROR, []),
    ("web." + D, "A", NOERROR, ["A 10.96.1.1"]),
    ("WEB.Default.SVC.Cluster.Local.", "A", NOERROR, ["A 10.96.1.1"]),
    ("web." + D, "TXT", NOERROR, []),
    ("web." + D, "MX", NOERROR, []),
    ("web." + D, "CNAME", NOERROR, []),
    ("web." + D, "SOA", NOERROR, []),
    ("dual." + D, "A", NOERROR, ["A 10.96.1.2"]),
    ("dual." + D, "AAAA", NOERROR, ["AAAA fd00:10:96::2"]),
    ("six." + D, "A", NOERROR, []),
    ("six." + D, "AAAA", NOERROR, ["AAAA fd00:10:96::3"]),
    ("empty." + D, "A", NOERROR, ["A 10.96.1.4"]),
    ("none." + D, "A", NXDOMAIN, []),
    ("none." + D, "AAAA", NXDOMAIN, []),
    ("web.missing.svc." + ZONE, "A", NXDOMAIN, []),
    ("web.kube-system.svc." + ZONE, "A", NXDOMAIN, []),
    ("kube-dns.kube-system.svc." + ZONE, "A", NOERROR, ["A 10.96.0.10"]),
    ("_https._tcp.kubernetes." + D, "SRV", NOERROR, ["SRV 0 100 443 kubernetes." + D]),
    ("_http._tcp.web." + D, "SRV", NOERROR, ["SRV 0 100 80 web." + D]),
    ("_http._udp.web." + D, "SRV", NXDOMAIN, []),
    ("_ftp._tcp.web." + D, "SRV", NXDOMAIN, []),
    ("_HTTP._TCP.web." + D, "SRV", NOERROR, ["SRV 0 100 80 web." + D]),
    ("_dns._udp.kube-dns.kube-system.svc." + ZONE, "SRV", NOERROR,
     ["SRV 0 100 53 kube-dns.kube-system.svc." + ZONE]),
    ("_dns-tcp._tcp.kube-dns.kube-system.svc." + ZONE, "SRV", NOERROR,
     ["SRV 0 100 53 kube-dns.kube-system.svc." + ZONE]),
    ("_http._tcp.unnamed." + D, "SRV", NXDOMAIN, []),
    ("_http._tcp.dual." + D, "SRV", NOERROR, ["SRV 0 50 80 dual." + D]),
    ("web." + D, "SRV", NOERROR, ["SRV 0 100 80 web." + D]),
    ("_http._tcp.web." + D, "A", NOERROR, ["A 10.96.1.1"]),
    ("1.0.96.10.in-addr.arpa.", "PTR", NOERROR, ["PTR kubernetes." + D]),
    ("1.1.96.10.in-addr.arpa.", "PTR", NOERROR, ["PTR web." + D]),
    ("1.1.96.10.in-addr.arpa.", "A", NOERROR, []),
    ("3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa.", "PTR",
     NOERROR, ["PTR six." + D]),
    # Endpoints of a Service with a cluster IP have names, too.
    ("10-244-1-5.web." + D, "A", NOERROR, ["A 10.244.1.5"]),
    ("named.web." + D, "A", NOERROR, ["A 10.244.2.5"]),
    ("10-244-2-5.web." + D, "A", NXDOMAIN, []),
    ("web-1.web." + D, "A", NXDOMAIN, []),
    ("5.2.244.10.in-addr.arpa.", "PTR", NOERROR, ["PTR named.web." + D]),
    # 2.4: headless Services.
    ("headless." + D, "A", NOERROR, ["A 10.244.1.2", "A 10.244.2.2", "A 10.244.3.2"]),
    ("headless." + D, "AAAA", NOERROR, ["AAAA fd00:10:244::2"]),
    ("db-0.headless." + D, "A", NOERROR, ["A 10.244.1.2"]),
    ("db-0.headless." + D, "AAAA", NOERROR, ["AAAA fd00:10:244::2"]),
    ("db-1.headless." + D, "A", NOERROR, ["A 10.244.2.2"]),
    ("db-1.headless." + D, "AAAA", NOERROR, []),
    ("10-244-3-2.headless." + D, "A", NOERROR, ["A 10.244.3.2"]),
    ("db-9.headless." + D, "A", NXDOMAIN, []),  # Not ready.
    ("db-7.headless." + D, "A", NXDOMAIN, []),
    ("db-x.headless." + D, "A", NXDOMAIN, []),
    ("empty-headless." + D, "A", NXDOMAIN, []),
    ("empty-headless." + D, "AAAA", NXDOMAIN, []),
    ("_http._tcp.empty-headless." + D, "SRV", NXDOMAIN, []),
    # Several addresses of one hostname: a record for each; N endpoints with M named ports: N × M.
    ("twin.shared." + D, "A", NOERROR, ["A 10.244.4.2", "A 10.244.4.3"]),
    ("shared." + D, "A", NOERROR, ["A 10.244.4.2", "A 10.244.4.3", "A 10.244.4.4"]),
    ("TWIN.Shared." + D, "A", NOERROR, ["A 10.244.4.2", "A 10.244.4.3"]),
    ("_http._tcp.shared." + D, "SRV", NOERROR, [
        "SRV 0 33 8080 10-244-4-4.shared." + D, "SRV 0 33 8080 twin.shared." + D]),
    ("_dns._udp.shared." + D, "SRV", NOERROR, [
        "SRV 0 33 5353 10-244-4-4.shared." + D, "SRV 0 33 5353 twin.shared." + D]),
    ("_dns._tcp.shared." + D, "SRV", NXDOMAIN, []),
    ("_http._udp.shared." + D, "SRV", NXDOMAIN, []),
    ("3.4.244.10.in-addr.arpa.", "PTR", NOERROR, ["PTR twin.shared." + D]),
    ("2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.4.4.2.0.0.1.0.0.0.0.d.f.ip6.arpa.", "PTR",
     NOERROR, ["PTR db-0.headless." + D]),
    ("portless." + D, "A", NOERROR, ["A 10.244.1.8"]),
    ("portless." + D, "SRV", NOERROR, []),
    ("_http._tcp.headless." + D, "SRV", NOERROR, [
        "SRV 0 25 8080 10-244-3-2.headless." + D,
        "SRV 0 25 8080 db-0.headless." + D,
        "SRV 0 25 8080 db-1.headless." + D]),
    ("_http._tcp.portless." + D, "SRV", NXDOMAIN, []),
    ("2.1.244.10.in-addr.arpa.", "PTR", NOERROR, ["PTR db-0.headless." + D]),
    ("2.2.244.10.in-addr.arpa.", "PTR", NOERROR, ["PTR db-1.headless." + D]),
    # An endpoint without a hostname has no PTR; nobody else answers here.
    ("2.3.244.10.in-addr.arpa.", "PTR", REFUSED, []),
    ("9.9.9.10.in-addr.arpa.", "PTR", REFUSED, []),
    # 2.5: ExternalName.
    ("outside." + D, "CNAME", NOERROR, ["CNAME www.example.com."]),
    ("outside." + D, "A", NOERROR, ["CNAME www.example.com."]),
    ("outside." + D, "AAAA", NOERROR, ["CNAME www.example.com."]),
    ("OUTSIDE." + D, "A", NOERROR, ["CNAME www.example.com."]),
    ("outside." + D, "SRV", NOERROR, []),
    ("x.outside." + D, "A", NXDOMAIN, []),
    ("inside." + D, "A", NOERROR,
     ["CNAME web." + D, "web." + D + " A 10.96.1.1"]),
    ("inside." + D, "AAAA", NOERROR, []),
    ("nowhere." + D, "A", NOERROR, []),
    ("ring-a." + D, "A", NOERROR, []),
    # 2.6: names of pods by their address.
    ("10-244-1-5.default.pod." + ZONE, "A", NOERROR, ["A 10.244.1.5"]),
    ("1-2-3-4.default.pod." + ZONE, "A", NOERROR, ["A 1.2.3.4"]),
    ("fd00--7.default.pod." + ZONE, "AAAA", NOERROR, ["AAAA fd00::7"]),
    ("1-2-3-4.default.pod." + ZONE, "AAAA", NOERROR, []),
    ("1-2-3-4.missing.pod." + ZONE, "A", NXDOMAIN, []),
    ("web-1.default.pod." + ZONE, "A", NXDOMAIN, []),
    ("1-2-3-400.default.pod." + ZONE, "A", NXDOMAIN, []),
    # The zone's own names, and what lies between.
    (ZONE, "A", NOERROR, []),
    ("svc." + ZONE, "A", NOERROR, []),
    ("pod." + ZONE, "A", NOERROR, []),
    (D, "A", NOERROR, []),
    ("empty-ns.svc." + ZONE, "A", NOERROR, []),
    ("missing.svc." + ZONE, "A", NXDOMAIN, []),
    ("default.pod." + ZONE, "A", NOERROR, []),
    ("other." + ZONE, "A", NXDOMAIN, []),
    ("a.b.c.web." + D, "A", NXDOMAIN, []),
    ("*." + D, "A", NXDOMAIN, []),
    (ZONE, "NS", NOERROR, ["NS kube-dns.kube-system.svc." + ZONE]),
    ("ns.dns." + ZONE, "A", NOERROR, ["A 10.96.0.10"]),
    (ZONE, "AXFR", REFUSED, []),
    # What no block answers for.
    ("www.example.com.", "A", REFUSED, []),
    ("cluster.local.example.com.", "A", REFUSED, []),
    ("xcluster.local.", "A", REFUSED, []),
]  # fmt: skip


@pytest.fixture(scope="module")
def server():
    return answering()


def test_the_table_has_as_many_rows_as_are_wanted():
    assert len({(name.lower(), kind) for name, kind, *_ in TABLE}) >= 60


@pytest.mark.parametrize(("name", "kind", "code", "answers"), TABLE)
def test_row(server, name, kind, code, answers):
    message = ask(server, name, kind, by_tcp=kind == "AXFR")
    assert dns.rcode.to_text(message.rcode()) == code
    assert rows(message) == sorted(answers)
    if code == REFUSED:
        return
    assert message.flags & dns.flags.AA
    if not answers:  # Somebody who keeps that nothing is there must know for how long.
        (soa,) = [data for each in message.authority for data in each]
        assert soa.minimum == 5


@pytest.mark.parametrize(
    ("mode", "name", "code"),
    [
        ("disabled", "10-244-1-5.default.pod." + ZONE, NXDOMAIN),
        ("disabled", "default.pod." + ZONE, NXDOMAIN),
        ("verified", "10-244-1-5.default.pod." + ZONE, NOERROR),
        ("verified", "10-244-1-5.kube-system.pod." + ZONE, NXDOMAIN),
        ("verified", "10-244-1-99.default.pod." + ZONE, NXDOMAIN),
        ("verified", "1-2-3-4.default.pod." + ZONE, NXDOMAIN),
    ],
)
def test_pods_by_mode(mode, name, code):
    server = answering(COREFILE.replace("insecure", mode))
    assert dns.rcode.to_text(ask(server, name).rcode()) == code


def test_records_live_for_the_ttl_that_is_set():
    for text, ttl in (("", 5), ("ttl 30", 30), ("ttl 0", 0)):
        server = answering(COREFILE.replace("pods insecure", f"pods insecure\n{text}"))
        assert ask(server, "web." + D).answer[0].ttl == ttl
        assert ask(server, "dns-version." + ZONE, "TXT").answer[0].ttl == 28_800


def test_endpoints_may_be_named_by_their_pods():
    server = answering(COREFILE.replace("pods insecure", "endpoint_pod_names"))
    assert rows(ask(server, "web-1.web." + D)) == ["A 10.244.1.5"]
    assert rows(ask(server, "db-x.headless." + D)) == ["A 10.244.3.2"]
    assert rows(ask(server, "db-0.headless." + D)) == ["A 10.244.1.2"]


def test_only_chosen_namespaces_are_shown():
    server = answering(COREFILE.replace("pods insecure", "namespaces kube-system"))
    assert rows(ask(server, "kube-dns.kube-system.svc." + ZONE)) == ["A 10.96.0.10"]
    for name in ("web." + D, D):
        assert dns.rcode.to_text(ask(server, name).rcode()) == NXDOMAIN


def test_services_without_endpoints_may_be_hidden():
    server = answering(COREFILE.replace("pods insecure", "ignore empty_service"))
    assert dns.rcode.to_text(ask(server, "empty." + D).rcode()) == NXDOMAIN
    assert rows(ask(server, "web." + D)) == ["A 10.96.1.1"]


def test_srv_answers_bring_their_addresses():
    message = ask(answering(), "_http._tcp.headless." + D, "SRV")
    told = {(str(each.name), str(data)) for each in message.additional for data in each}
    assert ("db-1.headless." + D, "10.244.2.2") in told
    assert len(told) == 4


def test_before_the_first_list_nobody_says_that_something_is_not_there():
    known = index()
    known.synced = False
    server = answering(known=known)
    assert dns.rcode.to_text(ask(server, "none." + D).rcode()) == "SERVFAIL"
    assert rows(ask(server, "web." + D)) == ["A 10.96.1.1"]
    known.synced = True
    assert dns.rcode.to_text(ask(server, "none." + D).rcode()) == NXDOMAIN


def test_a_change_is_seen_at_once():
    known = index()
    server = answering(known=known)
    assert rows(ask(server, "web." + D)) == ["A 10.96.1.1"]
    changed = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"clusterIPs": ["10.96.7.7"]},
    }
    known.put_service(changed)
    assert dns.rcode.to_text(ask(server, "web." + D).rcode()) == NXDOMAIN  # It has no port.
    changed["spec"]["ports"] = [{"port": 1}]
    known.put_service(changed)
    assert rows(ask(server, "web." + D)) == ["A 10.96.7.7"]
    known.remove_service(changed)
    assert dns.rcode.to_text(ask(server, "web." + D).rcode()) == NXDOMAIN
