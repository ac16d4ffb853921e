"""Pings from a node in the words of iputils."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from podwire.cli.ping import said

ANSWERS = [
    {"sequence": 1, "rtt_s": 0.000512, "ttl": 62},
    {"sequence": 2, "rtt_s": None, "ttl": None},
    {"sequence": 3, "rtt_s": 0.0123456, "ttl": 62},
    {"sequence": 4, "rtt_s": 0.1234567, "ttl": 62},
]


def test_answers_have_their_ttl_and_silence_is_said():
    assert said("10.244.1.5", ANSWERS, 1.6) == [
        "PING 10.244.1.5 (10.244.1.5) 56(84) bytes of data.",
        "64 bytes from 10.244.1.5: icmp_seq=1 ttl=62 time=0.512 ms",
        "no answer for icmp_seq=2",
        "64 bytes from 10.244.1.5: icmp_seq=3 ttl=62 time=12.3 ms",
        "64 bytes from 10.244.1.5: icmp_seq=4 ttl=62 time=123 ms",
        "",
        "--- 10.244.1.5 ping statistics ---",
        "4 packets transmitted, 3 received, 25% packet loss, time 1600ms",
        "rtt min/avg/max/mdev = 0.512/45.438/123.457/55.379 ms",
    ]
    assert said("fd00::5", ANSWERS[1:2], 0.1)[-1] == (
        "1 packets transmitted, 0 received, 100% packet loss, time 100ms"
    )


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_it_is_what_ping_prints(address):
    if shutil.which("ping") is None:
        pytest.skip("ping is not installed")
    done = subprocess.run(
        ["ping", "-c", "2", "-i", "0.01", address], capture_output=True, text=True, check=False
    )
    if done.returncode or " ttl=" not in done.stdout:
        pytest.skip(f"ping may not be used here: {done.stdout}{done.stderr}")
    found = re.findall(r"icmp_seq=(\d+) ttl=(\d+) time=([0-9.]+) ms", done.stdout)
    replies = [
        {"sequence": int(number), "ttl": int(ttl), "rtt_s": float(ms) / 1000}
        for number, ttl, ms in found
    ]
    took_ms = re.search(r"time (\d+)ms", done.stdout)[1]
    ours, theirs = said(address, replies, int(took_ms) / 1000), done.stdout.splitlines()
    spreads = [re.findall(r"[0-9.]+", lines.pop()) for lines in (ours, theirs)]
    assert ours == theirs
    assert [float(each) for each in spreads[0]] == pytest.approx(
        [float(each) for each in spreads[1]], abs=0.002
    )
