"""Corefiles that mean something, and those that are refused, each with its line."""

from __future__ import annotations

import pytest

from clusterdns import corefile, settings
from clusterdns.corefile import CorefileError
from podwire.cluster import addons
from podwire.cluster.layout import Cluster


def read(text, resolv_conf="nameserver 192.0.2.1\n", environment=None):
    return settings.read(text, environment or {}, resolv_conf)


def test_the_addons_corefile_is_understood():
    cluster = Cluster(name="c", nodes=1, dns_replicas=1)
    (block,) = read(addons.corefile(cluster))
    assert (block.zones, block.port) == (("",), 53)
    assert block.kubernetes.zones == ("cluster.local", "in-addr.arpa", "ip6.arpa")
    assert (block.kubernetes.pods, block.kubernetes.ttl_s) == ("insecure", 5)
    assert block.kubernetes.fallthrough == ("in-addr.arpa", "ip6.arpa")
    assert block.forwards == ()
    assert (block.health_port, block.ready_port, block.prometheus_port) == (8080, 8181, 9153)
    assert (block.lameduck_s, block.reload_s, block.cache.ttl_s) == (5.0, 30.0, 30)
    with_upstream = Cluster(name="c", nodes=1, dns_upstream="127.0.0.1:5353")
    (block,) = read(addons.corefile(with_upstream))
    assert block.forwards[0].servers == (("192.0.2.1", 53),)
    assert block.forwards[0].max_concurrent == 1000


def test_zones_ports_and_networks():
    blocks = read("example.org:1053, example.com:1053 {\n}\n10.0.0.0/8 {\n}\ndns://x {\n}")
    assert [(b.zones, b.port) for b in blocks] == [
        (("example.org", "example.com"), 1053), (("10.in-addr.arpa",), 53), (("x",), 53),
    ]  # fmt: skip


def test_words_comments_and_the_environment():
    (block,) = corefile.parse('{$Z} { # a zone\n log "a \\"b\\"" #x\n}', {"Z": "here"})
    assert block.keys == ("here",)
    assert block.directives[0].arguments == ('a "b"',)


def test_a_forward_with_everything():
    text = """. {
      forward . 192.0.2.1 192.0.2.2:5353 [2001:db8::1]:54 2001:db8::2 {
        except a.example b.example
        policy sequential
        max_fails 3
        health_check 1s
        force_tcp
      }
    }"""
    (made,) = read(text)[0].forwards
    assert made.servers == (
        ("192.0.2.1", 53), ("192.0.2.2", 5353), ("2001:db8::1", 54), ("2001:db8::2", 53),
    )  # fmt: skip
    assert (made.policy, made.max_fails, made.health_check_s) == ("sequential", 3, 1.0)
    assert made.force_tcp
    assert made.concerns("c.example")
    assert not made.concerns("x.a.example")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no server block"),
        (". {", "Corefile:1 - Error during parsing: Unexpected end of file"),
        ("}", "Corefile:1 - Error during parsing: Unexpected '}'"),
        (".", "'{' expected"),
        ("{\n}", "needs a zone"),
        (". {\n nonsense\n}", "Corefile:2 - Error during parsing: Unknown directive 'nonsense'"),
        (". {\n kubernetes {\n  pods some\n }\n}", "wrong value for pods: some"),
        (". {\n kubernetes {\n  ttl 3601\n }\n}", r"ttl must be in range \[0, 3600\]: 3601"),
        (". {\n kubernetes {\n  colour red\n }\n}", "unknown property 'colour'"),
        (". {\n kubernetes\n kubernetes\n}", "once in a server block"),
        (". {\n forward .\n}", "at least one address"),
        (". {\n forward . nowhere\n}", "not an IP address or file"),
        (". {\n forward . 127.0.0.1 {\n  policy best\n }\n}", "unknown property 'policy'"),
        (". {\n cache {\n  success none\n }\n}", "capacity"),
        (". {\n reload 1s\n}", "greater or equal to 2s"),
        (". {\n reload often\n}", "no duration"),
        (". {\n rewrite name regex ( x\n}", "no regular expression"),
        (". {\n rewrite\n}", "write: rewrite name"),
        (". {\n hosts {\n  bad\n }\n}", "unknown property 'bad'"),
        (". {\n loadbalance weighted\n}", "unknown policy"),
        (". {\n health :x\n}", "port"),
        (". {\n}\n. {\n}", "it is defined twice"),
        ("a:1 b:2 {\n}", "one port"),
        ("tls://a {\n}", "only plain DNS"),
        ("10.0.0.0/9 {\n}", "multiple of 8"),
        (". {\n kubernetes {\n  pods {\n  }\n }\n}", "a block within"),
        ("x" * (corefile.OCTETS_MAX + 1), "longer than"),
    ],
)
def test_what_makes_no_sense_is_refused(text, words):
    with pytest.raises(CorefileError, match=words):
        read(text)


def test_a_forward_to_nobody_is_refused():
    with pytest.raises(CorefileError, match="no nameservers found"):
        read(". {\n forward . /etc/resolv.conf\n}", resolv_conf="")
