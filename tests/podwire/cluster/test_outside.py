"""What `--outside` may say, which address a name gets, and what the DNS is told."""

from __future__ import annotations

import pytest

from clusterdns import settings
from podwire.cluster import addons, outside
from podwire.cluster.layout import Cluster
from podwire.cluster.outside import OutsideError, OutsideService


@pytest.mark.parametrize(
    ("text", "name", "port", "protocol", "target"),
    [
        ("db=127.0.0.1:5432", "db", 5432, "TCP", "127.0.0.1:5432"),
        ("db=127.0.0.1:5432/tcp", "db", 5432, "TCP", "127.0.0.1:5432"),
        ("time:123=127.0.0.1:12300/udp", "time", 123, "UDP", "127.0.0.1:12300"),
        ("api.example.com:443=127.9.9.9:8443", "api.example.com", 443, "TCP", "127.9.9.9:8443"),
    ],
)
def test_a_mapping_is_read(text, name, port, protocol, target):
    assert outside.parse(text) == OutsideService(
        name=name, port=port, protocol=protocol, target=target
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("db", "maps nothing"),
        ("db=5432", "maps nothing"),
        ("=127.0.0.1:80", "maps nothing"),
        ("Db=127.0.0.1:80", "maps nothing"),
        ("d_b=127.0.0.1:80", "maps nothing"),
        ("-db=127.0.0.1:80", "maps nothing"),
        ("db=127.0.0.1:80/sctp", "maps nothing"),
        ("db=[::1]:80", "maps nothing"),
        ("db=127.0.0.1:80\n", "maps nothing"),
        ("db=8.8.8.8:53", "leaves this machine's loopback"),
        ("db=0.0.0.0:53", "leaves this machine's loopback"),
        ("db=127.0.0.256:53", "leaves this machine's loopback"),
        ("db=127.0.0.1:0", "has no port"),
        ("db:0=127.0.0.1:80", "has no port"),
        ("db=127.0.0.1:65536", "has no port"),
        ("outside=127.0.0.1:80", "choose another name"),
        ("db.outside=127.0.0.1:80", "choose another name"),
        (".".join(["a" * 50] * 5) + "=127.0.0.1:80", "choose another name"),
    ],
)
def test_nonsense_is_refused_in_one_line(text, why):
    with pytest.raises(OutsideError, match=why) as refused:
        outside.parse(text)
    assert "\n" not in str(refused.value).replace(repr(text), "")


def test_all_ports_of_a_name_share_its_address_and_numbers_come_back():
    first = outside.added(
        (), map(outside.parse, ("a=127.0.0.1:1", "b=127.0.0.1:2", "a=127.0.0.1:3/udp"))
    )
    assert [(each.name, each.number) for each in first] == [("a", 1), ("b", 2), ("a", 1)]
    left = [each for each in first if each.name != "a"]
    second = outside.added(left, [outside.parse("c=127.0.0.1:4")])
    assert [(each.name, each.address(4)) for each in second] == [
        ("b", "203.0.113.2"),
        ("c", "203.0.113.1"),
    ]
    assert second[1].address(6) == "2001:db8:203:113::1"


def test_the_same_port_gets_another_target():
    first = outside.added((), [outside.parse("a=127.0.0.1:1")])
    (only,) = outside.added(first, [outside.parse("a:1=127.0.0.1:2")])
    assert (only.number, only.target) == (1, "127.0.0.1:2")


def test_addresses_and_services_are_bounded():
    many = [outside.parse(f"n{number}=127.0.0.1:80") for number in range(255)]
    full = outside.added((), many[:254])
    with pytest.raises(OutsideError, match="all 254 addresses"):
        outside.added(full, many[254:])
    ports = [outside.parse(f"n:{port}=127.0.0.1:80") for port in range(1, 1026)]
    with pytest.raises(OutsideError, match="1024 services"):
        outside.added((), ports)


def test_rows_have_an_address_of_each_family():
    services = outside.added((), [outside.parse("db=127.0.0.1:5432")])
    assert [row["address"] for row in outside.rows(services, (4, 6))] == [
        "203.0.113.1",
        "2001:db8:203:113::1",
    ]


def test_the_dns_reads_the_names_and_they_go_without_a_trace():
    plain = addons.corefile(Cluster(name="c", nodes=1))
    services = outside.added((), map(outside.parse, ("db=127.0.0.1:1", "a.b=127.0.0.1:2/udp")))
    corefile = outside.rewritten(plain, services, (4, 6))
    *_, block = settings.read(corefile, {}, "")
    assert block.zones == ("db", "a.b", "outside")
    assert block.hosts is not None
    assert block.hosts.entries == (
        ("203.0.113.1", "db"), ("203.0.113.1", "db.outside"),
        ("2001:db8:203:113::1", "db"), ("2001:db8:203:113::1", "db.outside"),
        ("203.0.113.2", "a.b"), ("203.0.113.2", "a.b.outside"),
        ("2001:db8:203:113::2", "a.b"), ("2001:db8:203:113::2", "a.b.outside"),
    )  # fmt: skip
    assert outside.rewritten(corefile, services[:1], (4,)).count("hosts {") == 1
    assert outside.rewritten(corefile, (), (4,)) == plain
    assert addons.corefile(Cluster(name="c", nodes=1, outside=services)).startswith(plain)
