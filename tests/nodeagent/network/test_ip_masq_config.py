"""ip-masq-agent's configuration, as people write it and as they should not."""

from __future__ import annotations

import pytest

from nodeagent.network.ip_masq_config import CIDRS_MAX, BadConfig, IpMasqConfig, parse

V4, V6 = "169.254.0.0/16", "fe80::/10"

GOOD = {
    "upstream's example": (
        "nonMasqueradeCIDRs:\n  - 10.0.0.0/8\n  - 172.16.0.0/12\nmasqLinkLocal: false\n"
        "resyncInterval: 60s\n",
        IpMasqConfig(("10.0.0.0/8", "172.16.0.0/12", V4, V6), 60),
    ),
    "JSON": (
        '{"nonMasqueradeCIDRs": ["fd00::/8"], "masqLinkLocal": true, "resyncInterval": "1m30s"}',
        IpMasqConfig(("fd00::/8", V6), 90),
    ),
    "nothing": ("", IpMasqConfig((V4, V6), 60)),
    "no link-local one": (
        "masqLinkLocal: true\nmasqLinkLocalIPv6: true\nresyncInterval: 500ms",
        IpMasqConfig((), 0.5),
    ),
    "named twice": (f"nonMasqueradeCIDRs: [{V4}]", IpMasqConfig((V4, V6), 60)),
}
BAD = {
    "host bits": ("nonMasqueradeCIDRs: [10.0.0.1/8]", "host bits set"),
    "no network": ("nonMasqueradeCIDRs: [web]", "does not appear to be"),
    "no list": ("nonMasqueradeCIDRs: 10.0.0.0/8", "no list"),
    "too many": (f"nonMasqueradeCIDRs: {['10.0.0.0/8'] * (CIDRS_MAX + 1)}", "no list of at most"),
    "no flag": ("masqLinkLocal: 1", "neither true nor false"),
    "no duration": ("resyncInterval: 60", "no duration"),
    "no unit": ('resyncInterval: "60"', "no duration"),
    "no mapping": ("- 10.0.0.0/8", "no mapping"),
    "no YAML": ("nonMasqueradeCIDRs: [", "expected"),
    "no end": ("[" * 5000, "recursion"),
    "too long": (" " * 70_000, "longer"),
}


@pytest.mark.parametrize(("text", "meant"), GOOD.values(), ids=GOOD)
def test_what_makes_sense_is_read(text, meant):
    assert parse(text) == meant


@pytest.mark.parametrize(("text", "why"), BAD.values(), ids=BAD)
def test_what_makes_none_is_refused_with_a_reason(text, why):
    with pytest.raises(BadConfig, match=why):
        parse(text)
