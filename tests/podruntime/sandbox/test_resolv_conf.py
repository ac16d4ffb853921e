"""resolv.conf(5) and hosts(5)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from podruntime.sandbox.endpoints import parse
from podruntime.sandbox.resolv_conf import Options, ResolvConf, parse_hosts

SERVER = "10.96.0.10"
RESOLV = f"""# made by the kubelet
nameserver {SERVER}
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
"""


def test_resolv_conf_and_its_candidates():
    conf = ResolvConf.parse(RESOLV)
    assert conf.servers == (SERVER,)
    assert conf.options.ndots == 5
    assert conf.candidates("web") == [
        "web.default.svc.cluster.local",
        "web.svc.cluster.local",
        "web.cluster.local",
        "web",
    ]
    assert conf.candidates("example.com.") == ["example.com"]
    assert ResolvConf.parse("search a\noptions ndots:x").candidates("b.c") == ["b.c", "b.c.a"]
    assert len(ResolvConf.parse("nameserver 10.0.0.1\n" * 9).servers) == 3


def test_hosts_and_numbers():
    text = "127.0.0.1 localhost\n::1 localhost ip6\n10.0.0.1\tDB db2 # note\n10.0.0.2 db\n"
    assert parse_hosts(text) == [
        ("127.0.0.1", ("localhost",)),
        ("::1", ("localhost", "ip6")),
        ("10.0.0.1", ("db", "db2")),
        ("10.0.0.2", ("db",)),
    ]
    assert str(parse("10.0.0.1")) == "10.0.0.1"
    assert parse("web") is None


def test_options_have_glibcs_bounds():
    conf = ResolvConf.parse("options timeout:99 attempts:0 ndots:99 rotate\noptions use-vc no-aaaa")
    assert conf.options == Options(15, 30, 1, rotate=True, use_tcp=True, no_aaaa=True)
    assert ResolvConf.parse("options timeout:x attempts:7 debug").options == Options(attempts=5)


def test_later_servers_get_their_share_of_a_longer_time():
    conf = ResolvConf.parse("nameserver 10.0.0.1\nnameserver 10.0.0.2\noptions timeout:3\n")
    assert [conf.timeout_s(turn) for turn in range(2)] == [3, 3]
    assert ResolvConf.parse("domain example.com\nnameserver ::1").searches == ("example.com",)


@given(st.text(max_size=200))
def test_any_text_is_read(text):
    conf = ResolvConf.parse(text)
    assert len(conf.servers) <= 3
    assert all(names for _, names in parse_hosts(text))
