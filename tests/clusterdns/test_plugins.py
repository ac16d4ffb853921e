"""Plugins beside `kubernetes`: hosts, rewrite, cache, loadbalance, stub domains, upstreams."""

from __future__ import annotations

import random

import dns.flags
import dns.message
import dns.rcode
from clusterdns_world import answering, ask, index, rows

from clusterdns import foreign
from clusterdns.answering import Pending
from clusterdns.query import A
from clusterdns.upstream import ForwardSettings, Upstreams

FORWARD = ". {\n forward . 192.0.2.1\n cache 30\n kubernetes cluster.local\n}"
WEB = "web.default.svc.cluster.local."


def pend(server, name, kind="A", now=0.0):
    question = dns.message.make_query(name, kind)
    pending = server.answer(question.to_wire(), now)
    assert isinstance(pending, Pending)
    return question, pending


def said(name, *records, kind="A", rcode=0, authority=()):
    """Return what a resolver says, made with dnspython and read as ours."""
    answer = dns.message.make_response(dns.message.make_query(name, kind, id=7))
    answer.flags |= dns.flags.RA
    answer.set_rcode(rcode)
    answer.answer = [dns.rrset.from_text(*record) for record in records]
    answer.authority = [dns.rrset.from_text(*record) for record in authority]
    return foreign.parse(answer.to_wire(), 7, name.lower().rstrip("."), A)


def finished(server, pending, reply, now=0.0):
    return dns.message.from_wire(server.finish(pending, reply, now))


def test_what_others_say_is_passed_on_and_kept():
    server = answering(FORWARD)
    question, pending = pend(server, "www.example.com.")
    record = ("www.example.com.", 20, "IN", "A", "192.0.2.80")
    message = finished(server, pending, said("www.example.com.", record))
    assert question.is_response(message)
    assert rows(message) == ["A 192.0.2.80"]
    assert message.flags & dns.flags.RA
    later = dns.message.from_wire(server.answer(question.to_wire(), 5.0))
    assert later.answer[0].ttl == 15
    pend(server, "www.example.com.", now=21.0)  # It has run out.


def test_that_nothing_is_there_is_kept_as_long_as_the_soa_says():
    soa = ("example.com.", 900, "IN", "SOA", "ns.example.com. h.example.com. 1 2 3 4 10")
    for rcode in (dns.rcode.NXDOMAIN, dns.rcode.NOERROR):
        server = answering(FORWARD)
        question, pending = pend(server, "no.example.com.")
        finished(server, pending, said("no.example.com.", rcode=rcode, authority=[soa]))
        later = dns.message.from_wire(server.answer(question.to_wire(), 4.0))
        assert later.rcode() == rcode
        pend(server, "no.example.com.", now=11.0)


def test_silence_is_servfail_and_not_kept():
    server = answering(FORWARD)
    _, pending = pend(server, "www.example.com.")
    assert finished(server, pending, None).rcode() == dns.rcode.SERVFAIL
    pend(server, "www.example.com.", now=0.1)


def test_an_external_name_is_followed():
    server = answering(FORWARD)
    _, pending = pend(server, "outside.default.svc.cluster.local.")
    assert pending.ask.name == "www.example.com"
    reply = said("www.example.com.", ("www.example.com.", 60, "IN", "A", "192.0.2.80"))
    message = finished(server, pending, reply)
    assert rows(message) == ["CNAME www.example.com.", "www.example.com. A 192.0.2.80"]


def test_stub_domains_have_resolvers_of_their_own():
    text = FORWARD + "\ncorp.example {\n forward . 192.0.2.99:5300\n}"
    server = answering(text)
    assert pend(server, "a.corp.example.")[1].ask.forward.servers == (("192.0.2.99", 5300),)
    assert pend(server, "corp.example.org.")[1].ask.forward.servers == (("192.0.2.1", 53),)


def test_hosts_answer_before_others():
    text = """. {
      hosts {
        192.0.2.5 db.internal DB2.internal
        2001:db8::5 db.internal
        ttl 60
        fallthrough
      }
      forward . 192.0.2.1
    }"""
    server = answering(text)
    assert rows(ask(server, "db.internal.")) == ["A 192.0.2.5"]
    assert rows(ask(server, "db2.internal.")) == ["A 192.0.2.5"]
    assert rows(ask(server, "db.internal.", "AAAA")) == ["AAAA 2001:db8::5"]
    assert rows(ask(server, "db.internal.", "TXT")) == []
    assert rows(ask(server, "5.2.0.192.in-addr.arpa.", "PTR")) == [
        "PTR db.internal.", "PTR db2.internal.",
    ]  # fmt: skip
    pend(server, "other.internal.")
    closed = answering(text.replace("fallthrough", "no_reverse"))
    assert ask(closed, "other.internal.").rcode() == dns.rcode.NXDOMAIN


def test_names_are_rewritten_and_answers_speak_of_the_asked_ones():
    for rule, asked in (
        (f"exact old.example. {WEB}", "old.example."),
        ("suffix .shop.example. .default.svc.cluster.local.", "web.shop.example."),
        ("prefix my-web web", "my-" + WEB),
        ("substring .prod. .default.", WEB.replace("default", "prod")),
        (r"regex (.*)\.prod\.example\. {1}.default.svc.cluster.local.", "web.prod.example."),
    ):
        server = answering(f". {{\n rewrite name {rule}\n kubernetes cluster.local\n}}")
        message = ask(server, asked)
        assert rows(message) == ["A 10.96.1.1"], rule
        assert str(message.answer[0].name) == asked


def test_addresses_come_in_turn():
    server = answering()
    name = "headless.default.svc.cluster.local."
    first = [str(ask(server, name).answer[0][0]) for _ in range(9)]
    assert sorted(set(first)) == ["10.244.1.2", "10.244.2.2", "10.244.3.2"]
    assert max(first.count(each) for each in first) <= 4
    by_tcp = [str(ask(server, name, by_tcp=True).answer[0][0]) for _ in range(9)]
    assert sorted(by_tcp) == sorted(3 * list(dict.fromkeys(by_tcp)))
    assert len(set(by_tcp)) == 3


def test_a_finished_answer_is_used_again_until_something_changes():
    known = index()
    server = answering(known=known)
    question = dns.message.make_query(WEB, "A").to_wire()
    first = server.answer(question, 0.0)
    again = server.answer(b"\x12\x34" + question[2:], 0.5)
    assert again == b"\x12\x34" + first[2:]
    assert server._metrics.cache_hits == 1
    assert server._metrics.requests == {("udp", "A"): 2}, "what is known is asked and answered, too"
    assert server._metrics.responses == {"NOERROR": 2}
    known.remove_service({"metadata": {"name": "web", "namespace": "default"}})
    changed = dns.message.from_wire(server.answer(question, 0.6))
    assert changed.rcode() == dns.rcode.NXDOMAIN


def test_who_fails_is_asked_no_more_until_it_answers():
    servers = (("192.0.2.1", 53), ("192.0.2.2", 53))
    group = Upstreams(
        ForwardSettings(base="", servers=servers, policy="sequential"), random.Random(1)
    )
    assert group.order() == list(servers)
    group.failed(servers[0])
    assert group.order() == list(servers)
    group.failed(servers[0])
    assert group.order() == [servers[1]]
    assert group.down() == [servers[0]]
    group.failed(servers[1])
    group.failed(servers[1])
    assert group.order() == [servers[0]]  # All are down: the belief may be wrong.
    group.answered(servers[0])
    assert group.order() == [servers[0]]
    turns = Upstreams(
        ForwardSettings(base="", servers=servers, policy="round_robin"), random.Random(1)
    )
    assert [turns.order()[0] for _ in range(4)] == [servers[1], servers[0]] * 2


def test_what_was_counted_is_shown():
    server = answering()
    ask(server, WEB)
    ask(server, "none.default.svc.cluster.local.", by_tcp=True)
    text = server._metrics.text()
    assert 'coredns_dns_requests_total{proto="udp",type="A"} 1' in text
    assert 'coredns_dns_responses_total{rcode="NXDOMAIN"} 1' in text


def test_types_without_a_name_are_counted_together():
    server = answering()
    question = dns.message.make_query(WEB, "A").to_wire()
    for kind in range(2000, 4000):
        server.answer(question[:-4] + kind.to_bytes(2, "big") + question[-2:], 0.0)
    assert server._metrics.requests == {("udp", "other"): 2000}
    rows = [line.rsplit(" ", 1)[0] for line in server._metrics.text().splitlines()]
    assert len(rows) == len(set(rows)), "a series that stands twice is none that Prometheus takes"
